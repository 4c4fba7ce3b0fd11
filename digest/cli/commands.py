"""All commands in one app; the groups stand in the order of an operator's day."""

from typing import Annotated

import typer

from digest.cli import audit, backtest, collect, explain, issues, lint, mail, pause, run, search, subscribers
from digest.cli.lookup import close_databases

app = typer.Typer(
    name="digest",
    help="The daily trending-paper email, self-hosted. Start with: digest up",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _everywhere(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    from digest.logs import set_up_logs

    set_up_logs(debug)
    context.call_on_close(close_databases)


run.add_to(app)
collect.add_to(app)
issues.add_to(app)
explain.add_to(app)
search.add_to(app)
pause.add_to(app)
mail.add_to(app)
lint.add_to(app)
audit.add_to(app)
backtest.add_to(app)
subscribers.add_to(app)
