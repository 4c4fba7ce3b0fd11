"""The commands bounces …: failed messages, and the intake of reports about them."""

import typer

from digest.cli.bounces import freezing, intake
from digest.cli.bounces.reports import domain_reports
from digest.cli.output import with_json
from digest.cli.status import reports
from digest.cli.status.reports import About, Domain, Limit, Since

bounces = typer.Typer(
    help="Failed messages: sums by code and by domain, and the newest refusals and reports.",
    invoke_without_command=True,
)


@bounces.callback()
@with_json
def show(
    context: typer.Context, domain: Domain = "", about: About = None, since: Since = None, limit: Limit = 50
) -> None:
    """Show failed messages: sums by code and by domain, and the newest refusals and reports."""
    if context.invoked_subcommand is None:
        reports.bounces(domain, about, since, limit)


bounces.command("domain-reports")(domain_reports)
for _command in (intake.receive, intake.collect, intake.lmtp, freezing.unfreeze):
    bounces.command()(_command)
