"""The commands subscribers add, import, unsubscribe and erase."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import hint_workers, known_subscriber, open_database, valid_address
from digest.cli.options import Address, DryRun
from digest.cli.output import progress, report, with_json
from digest.cli.watching import long_work
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.subscribers.imports import ImportReport, Row

Consented = Annotated[
    str,
    typer.Option(
        "--consented", help="Source of their consent, e.g. 'old list, 2026-03'; without it each is asked to confirm."
    ),
]


@with_json
def add(address: Address, consented: Consented = "", dry_run: DryRun = False) -> None:
    """Sign up one address. It is asked to confirm, unless --consented says where consent was given."""
    from digest.subscribers.imports import bare_address

    valid_address(bare_address(address))
    _import([[("email", address)]], consented, dry_run)


@with_json
def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a column “email”, or one address a line.")
    ],
    consented: Consented = "",
    dry_run: DryRun = False,
) -> None:
    """Sign up many addresses, except those that left elsewhere. Exit code 1 when there were invalid lines.

    Reads CSV or JSON of any spreadsheet or mailing list program. Of `digest subscribers export`, everything is kept.
    """
    from digest.subscribers.imports import UnreadableList, read_list

    try:
        listed = read_list(file.read_bytes())
    except UnreadableList as problem:
        raise typer.BadParameter(f"{file}: {problem}", param_hint="FILE") from None
    if listed.ignored:
        progress(f"Columns that are not read: {', '.join(listed.ignored)}.")
    _import(listed.rows, consented, dry_run)


@with_json
def unsubscribe(address: Address, dry_run: DryRun = False) -> None:
    """Unsubscribe one address; what is stored about it stays. To delete it: erase."""
    from digest.subscribers.subscriptions import unsubscribe as end_subscription

    subscriber = known_subscriber(address)
    if not dry_run:
        end_subscription(open_database(), subscriber.id, clock.now(), "operator")
    document = {"address": address, "unsubscribed": not dry_run, "dry_run": dry_run}
    report(document, f"{address} {'would be' if dry_run else 'is'} unsubscribed.")


@with_json
def erase(address: Address, dry_run: DryRun = False) -> None:
    """Delete one subscriber. The ledger keeps their deliveries, without the address."""
    from digest.subscribers.subscriptions import erase as delete

    subscriber = known_subscriber(address)
    if not dry_run:
        delete(open_database(), subscriber.id, clock.now())
    document = {"address": address, "deleted": not dry_run, "dry_run": dry_run}
    report(document, f"{address} {'would be' if dry_run else 'is'} deleted.")


def _import(rows: "list[Row]", consented: str, dry_run: bool) -> None:
    from digest.language import Languages
    from digest.resources import resource
    from digest.subscribers.imports import Import, import_rows

    configured = settings()
    languages = Languages(resource("locale")).codes
    secret = configured.secret_keys[-1]
    with long_work("Importing", len(rows)) as advance:
        how = Import(consented, clock.now(), secret, configured.own_domains, languages, dry_run, lambda: advance(""))
        done = import_rows(open_database(), rows, how)
    hint_workers()
    bad = [{"line": text, "problem": problem} for text, problem in done.bad]
    counts = {str(what): count for what, count in done.counts.items()}
    report({"counts": counts, "invalid": bad, "dry_run": dry_run}, *_lines(done, dry_run))
    if done.bad:
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
        RowOutcome.ASKED: "An address is asked at most once a day and three times a month. Import those again later.",
    }
    return [
        *(f"{address!r}: {problem}" for address, problem in done.bad),
        f"{', '.join(counts)}, {len(done.bad)} invalid.",
        *(words for what, words in advice.items() if done.counts[what]),
    ]
