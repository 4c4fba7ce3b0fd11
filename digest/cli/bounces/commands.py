"""The commands bounces …: what mail servers refused, and the ways in for what comes back."""

import typer

from digest.cli.bounces import freezing, intake
from digest.cli.bounces.reports import domain_reports
from digest.cli.output import with_json
from digest.cli.status import reports
from digest.cli.status.reports import About, Domain, Limit, Since

bounces = typer.Typer(
    help="What mail servers refused: sums by code and by domain, and the newest refusals.", invoke_without_command=True
)


@bounces.callback()
@with_json
def show(
    context: typer.Context, domain: Domain = "", about: About = None, since: Since = None, limit: Limit = 50
) -> None:
    """Show what mail servers refused: sums by code and by domain, and the newest refusals."""
    if context.invoked_subcommand is None:
        reports.bounces(domain, about, since, limit)


bounces.command("domain-reports")(domain_reports)
for _command in (intake.receive, intake.collect, intake.lmtp, freezing.unfreeze):
    bounces.command()(_command)
