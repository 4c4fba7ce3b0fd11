"""The command once: today's papers to one address, without a server."""

import logging
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import clock
from digest.cli.options import DryRun, operator, with_options
from digest.cli.output import NotReady, answer, complain, progress, with_json
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.run.once import OnceJob, OnceResult
    from digest.run.once_library import OnceLibrary
    from digest.settings import Settings
    from digest.subscribers.subscriber import Preferences

_DATABASE, _SECRET = "digest.sqlite", "secret_key"

To = Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Your email address.", show_default=False)]
Smtp = Annotated[
    str,
    typer.Option(
        "--smtp",
        metavar="URL",
        help="Mail server: smtps://user:password@host:465 or smtp+starttls://user:password@host:587.",
        show_default="DIGEST_SMTP_URL",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Write the email to a file instead: .html, .txt or .eml."),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Folder that records what was sent.",
        show_default="~/.local/share/digest-once",
    ),
]
Profile = Annotated[
    Path | None,
    typer.Option("--profile", metavar="FILE", help="Your interests, in TOML (docs/once.md).", show_default="none"),
]
Library = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="FILE",
        help="Papers you've collected, as BibTeX, RIS or CSL-JSON. You get more like them.",
        show_default="that of the profile",
    ),
]
Patience = Annotated[
    int, typer.Option("--wait", min=0, max=600, metavar="MINUTES", help="Minutes to wait for a busy mail server.")
]


@dataclass(frozen=True, slots=True)
class OnceWay:
    """The destination of the email: an SMTP server or a file."""

    smtp: str
    output: Path | None
    patience: timedelta


def _way(smtp: Smtp = "", output: Output = None, wait: Patience = 10) -> OnceWay:
    if smtp and output:
        raise typer.BadParameter("name a mail server or a file, not both", param_hint="--smtp")
    if output is not None and output.suffix not in (".html", ".txt", ".eml"):
        raise typer.BadParameter("use a name that ends in .html, .txt or .eml", param_hint="--output")
    if output is not None and not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent}", param_hint="--output")
    return OnceWay(smtp, output, timedelta(minutes=wait))


@with_json
@with_options(_way, "way")
def once(
    to: To,
    way: OnceWay,
    data_dir: Folder = None,
    profile: Profile = None,
    library: Library = None,
    dry_run: DryRun = False,
) -> None:
    """Send today's papers to one address, without a server. A second run on the same day sends nothing.

    Exit code 1 if no source could be read, or if the mail server did not accept the email.
    """
    folder, brought = (data_dir or _default_folder()).expanduser().absolute(), _library(profile, library)
    wanted = _wanted(profile, brought is not None)
    with _copy_of(folder) if dry_run else _itself(folder) as used:
        from digest.run.once import OnceJob

        to, own = _own_settings(used, to, way.smtp, wanted)
        if not own.relays and way.output is None and not dry_run:
            raise NotReady("No mail server: add --smtp smtps://user:password@host:465, or --output mail.html")
        written, patience = (used / "mail.html", timedelta()) if dry_run else (way.output, way.patience)
        result = _run(OnceJob(own, to, wanted, written, patience, progress, brought))
        _delete_old(own)
    answer(_document(result, folder, dry_run), lambda: _lines(result, way.output, dry_run))
    if not _is_well(result):
        sys.exit(1)


def _run(job: "OnceJob") -> "OnceResult":
    from digest.ledger.events import acting
    from digest.run.once import OnceFailed
    from digest.run.once import once as send_today
    from digest.run.once_library import BadLibrary
    from digest.run.parts import CannotStart

    _log_problems_alone()
    try:
        with acting(operator(), "shell"):
            return send_today(job)
    except (OnceFailed, BadLibrary) as problem:
        complain(str(problem), 1)
    except CannotStart as problem:
        raise NotReady(str(problem)) from None


def _delete_old(own: "Settings") -> None:
    """Delete what is no longer needed, as the scheduler does."""
    from digest.database.engine import closing, connect
    from digest.monitoring.retention.run import delete_old

    with closing(connect(own.database)) as engine:
        delete_old(engine, own, clock.now())


def _log_problems_alone() -> None:
    """Log warnings only: the result is printed, and the worker's other lines are for the log of a service."""
    import structlog

    if settings().log_level != "debug":
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def _own_settings(folder: Path, to: str, smtp: str, wanted: "Preferences") -> tuple[str, "Settings"]:
    """Return the normalised address, and the settings for a run."""
    from pydantic import ValidationError

    from digest.cli.lookup import valid_address
    from digest.run.once import personal_settings
    from digest.settings import remedy

    to = valid_address(to)
    try:
        return to, personal_settings(settings(), folder, to, smtp, wanted.categories)
    except ValidationError as error:
        problem = error.errors()[0]
        name = "--smtp" if "smtp_url" in problem["loc"] else f"DIGEST_{problem['loc'][0]}".upper()
        raise typer.BadParameter(remedy(problem), param_hint=name) from None


def _wanted(profile: Path | None, has_library: bool) -> "Preferences":
    from digest.run.profile_file import BadProfile, read_profile
    from digest.settings.composing import languages
    from digest.subscribers.preferences import DEFAULTS

    if profile is None:
        return DEFAULTS
    try:
        return read_profile(profile, clock.now(), languages().codes, has_library)
    except BadProfile as problem:
        complain(str(problem), 2)


def _library(profile: Path | None, file: Path | None) -> "OnceLibrary | None":
    from digest.run.once_library import BadLibrary, read_library_file
    from digest.run.profile_file import BadProfile, library_in

    try:
        named, zotero = library_in(profile) if profile else (None, "")
        return read_library_file(file or named, zotero)
    except (BadLibrary, BadProfile) as problem:
        complain(str(problem), 2)


def _default_folder() -> Path:
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path("~/.local/share")) / "digest-once"


@contextmanager
def _itself(folder: Path) -> Iterator[Path]:
    yield folder


@contextmanager
def _copy_of(folder: Path) -> Iterator[Path]:
    """Copy the folder, and delete the copy at the end: a dry run does all that a run does, on the copy."""
    with tempfile.TemporaryDirectory(prefix="digest-once-") as name:
        copy = Path(name)
        if (folder / _DATABASE).exists():
            (copy / _SECRET).write_bytes((folder / _SECRET).read_bytes())
            with (
                closing(sqlite3.connect(f"{(folder / _DATABASE).as_uri()}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(copy / _DATABASE)) as target,
            ):
                source.backup(target)
        yield copy


# --- output ---


def _is_well(result: "OnceResult") -> bool:
    from digest.ledger.kinds import State

    return result.state in (State.ACCEPTED, State.SKIPPED)


def _document(result: "OnceResult", folder: Path, dry_run: bool) -> dict[str, Any]:
    return {
        "date": result.date,
        "to": result.to,
        "state": str(result.state),
        "sent_now": result.is_new and _is_well(result) and bool(result.papers) and not dry_run,
        "why": result.why,
        "papers": [{"id": paper.id, "title": paper.title, "url": paper.url} for paper in result.papers],
        "sources": [asdict(run) for run in result.sources],
        "data_dir": str(folder),
        "dry_run": dry_run,
    }


def _lines(result: "OnceResult", output: Path | None, dry_run: bool) -> Iterator[str]:
    for run in result.sources:
        if run.outcome == "failing" and run.day == result.date:
            yield f"{run.source} could not be read: {run.message}."
    yield _sentence(result, output, dry_run)
    for number, paper in enumerate(result.papers, 1):
        yield f"{number:3}. {paper.title}"


def _sentence(result: "OnceResult", output: Path | None, dry_run: bool) -> str:
    count = f"{len(result.papers)} paper{'' if len(result.papers) == 1 else 's'}"
    if result.state == "skipped":
        return f"No email for {result.date}: {result.why}."
    if result.state != "accepted":
        return f"The email of {result.date} to {result.to} was not sent: {result.why}."
    if not result.is_new:
        again = f" It is in {output} again." if output and not dry_run else ""
        return f"The email of {result.date} to {result.to} was already sent, so nothing was sent.{again}"
    if dry_run:
        return f"Would send {count} to {result.to}; nothing was sent or stored."
    return f"Wrote {count} for {result.to} to {output}." if output else f"Sent {count} to {result.to}."
