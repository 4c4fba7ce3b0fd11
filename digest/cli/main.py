"""The command line: every command in the order of an operator's day, and what an error prints."""

import gc
import os
import shutil
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from digest.cli import audit, backtest, collect, explain, issues, mail, pause, run, search, subscribers
from digest.cli.api.commands import api_tokens
from digest.cli.backup import commands as backups
from digest.cli.backup.retention import retention
from digest.cli.bounces.commands import bounces
from digest.cli.bounces.reports import bounce
from digest.cli.console.commands import console
from digest.cli.lookup import opened
from digest.cli.notices.commands import notice
from digest.cli.once.commands import once
from digest.cli.output import WIDTH, NotReady, complain
from digest.cli.papers.commands import papers
from digest.cli.setup import commands as setup
from digest.cli.status import commands as status
from digest.cli.status import reports
from digest.cli.webhooks.commands import webhooks
from digest.settings import FILE_VARIABLE, SettingsError

app = typer.Typer(
    name="digest",
    help="The daily email of trending papers, self-hosted. Start with: digest up",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Monitoring reads the exit code of `digest check`: a mistake in the settings must not read as a warning.
_is_check: ContextVar[bool] = ContextVar("is_check", default=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from digest.resources import DISTRIBUTION

        typer.echo(f"digest {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def _everywhere(
    context: typer.Context,
    env_file: Annotated[
        Path | None,
        typer.Option(
            "--env-file", help="File of settings.", show_default="DIGEST_ENV_FILE, ./.env, /etc/digest/digest.env"
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    from digest.logs import set_up_logs

    _is_check.set(context.invoked_subcommand == "check")
    if env_file:
        os.environ[FILE_VARIABLE] = str(env_file.absolute())  # for the programs that this one starts as well
    set_up_logs(debug, context.invoked_subcommand if context.invoked_subcommand in _PROGRAMS else "")
    context.call_on_close(opened.close)


_PROGRAMS = ("web", "worker", "scheduler")  # their lines may be mixed with those of others
_COMMANDS = {
    "Run": (
        run.up, once, run.web, run.worker, run.scheduler, run.migrate, setup.init, setup.doctor, status.status,
        status.check, mail.send_test_alarm, backups.backup, backups.restore, backups.settle, retention,
    ),
    "Papers and issues": (
        collect.collect, issues.upcoming, issues.publish, explain.explain, search.search, pause.pause, pause.resume,
        pause.cancel, pause.withdraw, backtest.backtest,
    ),
    "Deliveries": (
        pause.retry, mail.preview, mail.send_test, mail.lint, audit.audit, reports.days, reports.domains,
        bounce,
    ),
}  # fmt: skip
for _panel, _commands in _COMMANDS.items():
    for _command in _commands:
        _settings = search.SETTINGS if _command is search.search else None
        app.command(rich_help_panel=_panel, context_settings=_settings)(_command)
app.add_typer(papers, name="papers", rich_help_panel="Papers and issues")
app.add_typer(subscribers.subscribers, name="subscribers", rich_help_panel="Subscribers")
app.add_typer(subscribers.suppressions, name="suppressions", rich_help_panel="Subscribers")
app.add_typer(notice, name="notice", rich_help_panel="Papers and issues")
app.add_typer(console, name="console", rich_help_panel="Run")
app.add_typer(webhooks, name="webhooks", rich_help_panel="Run")
app.add_typer(bounces, name="bounces", rich_help_panel="Deliveries")
app.add_typer(api_tokens, name="api-tokens", rich_help_panel="Run")


def main() -> None:
    """Run the command line. Exit codes: 0 ok, 1 failed, 2 usage, 3 not ready."""
    gc.set_threshold(20_000)  # a fifth of a start went by looking for garbage in modules, again and again
    os.umask(0o077)  # nobody else on this machine reads what we and our children write: logs, journals, previews
    if shutil.get_terminal_size().columns > WIDTH:
        os.environ.setdefault("TERMINAL_WIDTH", str(WIDTH))  # Typer reads it: lines of help end where others do
    if "--debug" in sys.argv:
        app()
    try:
        sys.exit(app(prog_name="digest", standalone_mode=False))  # or Typer would draw a box around each mistake
    except typer.TyperException as error:
        _fail(_usage_line(error), 2)
    except SettingsError as error:
        _fail(str(error), 2)
    except NotReady as error:
        _fail(str(error), 3)
    except KeyboardInterrupt:
        _fail("stopped", 1)
    except BrokenPipeError:  # such as `digest subscribers list | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a traceback helps only with --debug
        _fail(_error_line(error), 3 if _is_not_ready(error) else 1)


def _fail(message: str, code: int) -> NoReturn:
    if _is_check.get():
        typer.echo(f"UNKNOWN: {message}")  # where monitoring reads
        sys.exit(status.UNKNOWN)
    complain(message, code)


def _usage_line(error: typer.TyperException) -> str:
    text, problem, context = error.format_message(), error.__cause__, getattr(error, "ctx", None)
    if problem is not None and "pydantic_core" in sys.modules:
        from pydantic import ValidationError

        from digest.settings import remedy

        if isinstance(problem, ValidationError):
            text = f"{text.partition(':')[0]}: {remedy(problem.errors()[0])}"
    help_ = f"; see: {context.command_path} --help" if context else ""
    return " ".join(text.split()).rstrip(".") + help_


def _is_not_ready(error: Exception) -> bool:
    from digest.database.migrate import UnusableDatabase

    return isinstance(error, UnusableDatabase) or _is_outage(error)


def _is_outage(error: Exception) -> bool:
    from sqlalchemy.exc import DatabaseError, OperationalError, ProgrammingError

    # SQLite raises a plain DatabaseError for a damaged file, and for a file of another format.
    return isinstance(error, OperationalError | ProgrammingError | OSError) or type(error) is DatabaseError


def _error_line(error: Exception) -> str:
    from digest.database.engine import NO_DATABASE, NO_DATABASE_REMEDY, problem_of

    problem = problem_of(error)
    if problem.startswith(NO_DATABASE):
        return f"{problem}. {NO_DATABASE_REMEDY}"
    if "no such table" in problem or "no such column" in problem or 'relation "' in problem:
        return f"The database is not ready ({problem}). Run: digest migrate"
    if isinstance(error, OSError):
        return f"{problem}. Check DIGEST_DATA_DIR and DIGEST_DATABASE_URL, or run: digest doctor"
    if not _is_outage(error) and _is_not_ready(error):
        return problem
    if _is_outage(error):
        return f"The database cannot be used: {problem}. Check DIGEST_DATABASE_URL, or run: digest doctor"
    return f"{type(error).__name__}: {problem} (run again with --debug for the traceback)"
