"""Where `digest` starts: runs the command, and turns what went wrong into one line and an exit code."""

import sys

from digest.cli.commands import app
from digest.cli.output import NotReady, complain
from digest.settings import SettingsError


def main() -> None:
    """Run the command line. Exit codes: 0 ok, 1 failed, 2 usage, 3 not ready."""
    if "--debug" in sys.argv:
        app()
    try:
        app()
    except SettingsError as error:
        complain(str(error), 2)
    except NotReady as error:
        complain(str(error), 3)
    except KeyboardInterrupt:
        complain("stopped", 1)
    except Exception as error:  # noqa: BLE001 - the last edge: a traceback helps only who asked for it
        complain(_in_words(error), 3 if _is_outage(error) else 1)


def _is_outage(error: Exception) -> bool:
    from sqlalchemy.exc import OperationalError, ProgrammingError

    return isinstance(error, OperationalError | ProgrammingError | OSError)


def _in_words(error: Exception) -> str:
    said = (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]
    if "no such table" in said or 'relation "' in said:
        return f"The database is not ready ({said}). Run: digest migrate"
    if isinstance(error, OSError):
        return f"{said}. Check DIGEST_DATA_DIR and DIGEST_DATABASE_URL; digest doctor says more."
    if _is_outage(error):
        return f"The database cannot be used: {said}. Check DIGEST_DATABASE_URL; digest doctor says more."
    return f"{type(error).__name__}: {said} (run again with --debug for the traceback)"
