"""The commands subscribers add and import."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from digest import clock
from digest.cli.lookup import hint_workers, open_database, valid_address
from digest.cli.options import Address, DryRun
from digest.cli.output import NotReady, progress, report, with_json, writes_json
from digest.cli.watching import long_work
from digest.ledger.kinds import Status
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.subscribers.imports import Import, ImportReport, ListFile, OtherKey

_LISTED = 1000  # rejected rows in one JSON document

Consented = Annotated[
    str,
    typer.Option(
        "--consented",
        help="Source of consent, e.g. 'old list, 2026-03'; without it, each person is asked to confirm.",
    ),
]


@with_json
def add(address: Address, consented: Consented = "", dry_run: DryRun = False) -> None:
    """Sign up one address. It gets an email to confirm, unless --consented says where consent was given."""
    from digest.subscribers.imports import bare_address, import_rows

    valid_address(bare_address(address))
    how = _how(consented, dry_run)
    done = import_rows(open_database(), [[("email", address)]], how)
    _finish(done, [*done.bad], dry_run)


@with_json
def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="CSV with a column “email”, JSON, or one address per line; - for stdin."),
    ],
    consented: Consented = "",
    status: Annotated[
        Status,
        typer.Option(help="Best status for anyone in the list, e.g. unsubscribed for a list of people who left."),
    ] = Status.CONFIRMED,
    leave_out_deleted: Annotated[
        bool,
        typer.Option(
            "--leave-out-deleted", help="Leave out suppressions of deleted people made under another secret key."
        ),
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Sign up a list of addresses, except people who left elsewhere. Exit code 1 if there were invalid lines.

    Reads CSV or JSON from any spreadsheet or mailing list program. Keeps everything in an export by Digest.
    After an interruption, the same command continues where it stopped.
    """
    from digest.subscribers.imports import ListFile, UnreadableList

    try:
        with _opened(file) as content:
            listed = ListFile(content, file.name)
            if listed.ignored:
                progress(f"Ignored columns: {', '.join(listed.ignored)}.")
            _import(listed, _how(consented, dry_run, status=status, leave_out_deleted=leave_out_deleted))
    except UnreadableList as problem:
        raise typer.BadParameter(f"{file}: {problem}", param_hint="FILE") from None


def _import(listed: "ListFile", how: "Import") -> None:
    from dataclasses import replace

    from digest.subscribers.imports import AlreadyRunning, OtherKey, import_list

    rejected: list[Any] = []
    with long_work("Importing") as advance:

        def on_error(line: int, text: str, problem: str) -> None:
            if not writes_json():
                advance(f"{listed.unit} {line}: {text!r}: {problem}", steps=0)
            elif len(rejected) < _LISTED:
                rejected.append((line, text, problem))

        how = replace(
            how,
            on_counted=lambda rows: advance(steps=0, total=rows),
            on_each=lambda steps: advance(steps=steps),
            on_error=on_error,
        )
        try:
            done = import_list(open_database(), listed, how)
        except OtherKey as other:
            raise NotReady(_refusal(other)) from None
        except KeyboardInterrupt:
            progress("Interrupted. To continue, run the same command again.")
            raise
        except AlreadyRunning:
            raise NotReady("Another process is importing the same list. Wait until it has finished.") from None
    _finish(done, rejected, how.dry_run)


def _refusal(other: "OtherKey") -> str:
    from digest.subscribers.tokens import key_id

    ours = key_id(settings().secret_keys[-1])
    return (
        f"{other.count} suppressions of deleted people were made under another secret key ({', '.join(other.key_ids)};"
        f" here it is {ours}), so their addresses would not be recognised. Nobody was imported.\n"
        "To keep them, start this installation with the DIGEST_SECRET_KEY of the other one. To import without them, so"
        " that these people can be signed up again: --leave-out-deleted"
    )


def _how(consented: str, dry_run: bool, **others: Any) -> "Import":
    from digest.language import Languages
    from digest.resources import resource
    from digest.subscribers.imports import Import

    languages, configured = Languages(resource("locale")).codes, settings()
    secret = configured.secret_keys[-1]
    return Import(consented, clock.now(), secret, configured.own_domains, languages, dry_run, **others)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file, or a copy of stdin, which can be read more than once."""
    if str(file) != "-":
        if not file.is_file():
            raise typer.BadParameter(f"there is no file {file}", param_hint="FILE")
        with file.open("rb") as content:
            yield content
        return
    with tempfile.TemporaryFile() as copy:  # unnamed, so nothing is left behind
        shutil.copyfileobj(sys.stdin.buffer, copy)
        yield copy


def _finish(done: "ImportReport", rejected: list[Any], dry_run: bool) -> None:
    hint_workers()
    document = {
        "counts": {str(what): count for what, count in done.counts.items() if count},
        "invalid": [{"line": line, "text": text, "problem": problem} for line, text, problem in rejected],
        "invalid_count": done.invalid,
        "left_out": done.left_out,
        "skipped": done.skipped,
        "dry_run": dry_run,
    }
    report(document, *(f"{text!r}: {problem}" for _, text, problem in rejected), *_lines(done, dry_run))
    if done.invalid:
        sys.exit(1)


def _lines(done: "ImportReport", dry_run: bool) -> list[str]:
    from digest.subscribers.imports import RowOutcome

    would = "would be " if dry_run else ""
    counts = [
        f"{done.counts[RowOutcome.NEW]} {would}{RowOutcome.NEW}",
        f"{done.counts[RowOutcome.STORED]} {RowOutcome.STORED}",
    ]
    counts += [f"{count} {what}" for what in list(RowOutcome)[2:] if (count := done.counts[what])]
    advice = {
        RowOutcome.SUPPRESSED: "Suppressed addresses get no email. To allow one: digest suppressions lift ADDRESS",
        RowOutcome.LEFT: "People who left, bounced or were blocked stay out until they subscribe again themselves.",
        RowOutcome.ASKED: "Nobody is asked to confirm more than once a day or three times a month. Import again later.",
    }
    skipped = f"Skipped {done.skipped} rows, which were imported before the interruption; the counts include them."
    left_out = f"Left out {done.left_out} suppressions of deleted people under another secret key."
    return [
        *([skipped] if done.skipped else []),
        *([left_out] if done.left_out else []),
        f"{', '.join(counts)}, {done.invalid} invalid.",
        *(words for what, words in advice.items() if done.counts[what]),
    ]
