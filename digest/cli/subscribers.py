"""The commands subscribers … and suppressions …"""

import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import hint_workers, key_of, known_subscriber, open_database, reading
from digest.cli.options import DryRun
from digest.cli.output import NotReady, answer, print_json, progress, table, with_json
from digest.language import Languages
from digest.ledger.kinds import Status
from digest.resources import resource
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.subscribers.imports import Row

subscribers = typer.Typer(help="Who gets the digest.", no_args_is_help=True)
suppressions = typer.Typer(help="Addresses that never get email.", no_args_is_help=True)
Address = Annotated[str, typer.Argument(help="Email address.")]
Consented = Annotated[
    str,
    typer.Option(
        "--consented", help="Source of their consent, e.g. 'old list, 2026-03'; without it each is asked to confirm."
    ),
]


@subscribers.command("list")
@with_json
def list_(status: Annotated[Status | None, typer.Option(help="Only this status.")] = None) -> None:
    """List subscribers and their preferences."""
    from digest.subscribers.store import with_status

    with reading() as connection:
        listed = with_status(connection, status)
    rows = [
        (
            each.email,
            each.status,
            f"{'always' if wants.full_lists else 'up to'} {wants.papers}",
            wants.balance,
            f"{wants.hour:02}",
            wants.zone,
            ",".join(wants.topics),
        )
        for each in listed
        for wants in [each.preferences]
    ]
    heading = ("address", "status", "papers", "balance", "hour", "zone", "topics")
    answer([asdict(subscriber) for subscriber in listed], lambda: table([heading, *rows]))


@subscribers.command()
def add(address: Address, consented: Consented = "", dry_run: DryRun = False) -> None:
    """Sign up one address. It is asked to confirm, unless --consented says where consent was given."""
    _import([[("email", address)]], consented, dry_run)


@subscribers.command("import")
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


@subscribers.command()
def export() -> None:
    """Print every subscriber as CSV."""
    from digest.subscribers.imports import written
    from digest.subscribers.store import with_status
    from digest.subscribers.suppressions import all_suppressions

    with reading() as connection:
        listed = with_status(connection)
        suppressed = {row.key: row.reason for row in all_suppressions(connection)}
    csv.writer(sys.stdout).writerows(written(listed, suppressed))


@subscribers.command()
def show(address: Address) -> None:
    """Print everything stored about one subscriber, as JSON."""
    from digest.issues.personal_data import export as everything

    print_json(everything(open_database(), known_subscriber(address).id))


@subscribers.command()
def unsubscribe(address: Address, dry_run: DryRun = False) -> None:
    """Unsubscribe one address; what is stored about it stays. To delete it: erase."""
    from digest.subscribers.subscriptions import unsubscribe as end_subscription

    subscriber = known_subscriber(address)
    if not dry_run:
        end_subscription(open_database(), subscriber.id, clock.now(), "operator")
    progress(f"{address} {'would be' if dry_run else 'is'} unsubscribed.")


@subscribers.command()
def erase(address: Address, dry_run: DryRun = False) -> None:
    """Delete one subscriber. The ledger keeps their deliveries, without the address."""
    from digest.subscribers.subscriptions import erase as delete

    subscriber = known_subscriber(address)
    if not dry_run:
        delete(open_database(), subscriber.id, clock.now())
    progress(f"{address} {'would be' if dry_run else 'is'} deleted.")


@suppressions.command("list")
@with_json
def list_suppressions() -> None:
    """List the suppressed addresses, each as a hash, with the reason."""
    from digest.subscribers.suppressions import all_suppressions

    with reading() as connection:
        listed = all_suppressions(connection)
    rows = [("key", "reason", "since", "detail")]
    rows += [(row.key, row.reason, f"{row.created_at:%Y-%m-%d}", row.detail[:60]) for row in listed]
    answer([asdict(row) for row in listed], lambda: table(rows))


@suppressions.command("add")
def suppress_address(address: Address, dry_run: DryRun = False) -> None:
    """Never send email to an address again."""
    from digest.database.engine import transaction
    from digest.ledger.kinds import SuppressionReason
    from digest.subscribers.suppressions import suppress

    key = key_of(address)
    if not dry_run:
        with transaction(open_database()) as connection:
            suppress(connection, key, SuppressionReason.OPERATOR, "", clock.now())
    progress(f"{address} {'would be' if dry_run else 'is'} suppressed.")


@suppressions.command()
def lift(address: Address, dry_run: DryRun = False) -> None:
    """Allow email to a suppressed address again."""
    from digest.database.engine import transaction
    from digest.subscribers import suppressions as stored

    key = key_of(address)
    with transaction(open_database()) as connection:
        if not stored.is_suppressed(connection, key):
            raise NotReady(f"{address} is not suppressed.")
        if not dry_run:
            stored.lift(connection, key)
    progress(f"The suppression of {address} {'would be' if dry_run else 'is'} lifted.")


def _import(rows: "list[Row]", consented: str, dry_run: bool) -> None:
    from digest.subscribers.imports import Import, RowOutcome, import_rows

    configured = settings()
    languages = Languages(resource("locale")).codes
    secret = configured.secret_keys[-1]
    how = Import(consented, clock.now(), secret, configured.own_domains, languages, dry_run)
    report = import_rows(open_database(), rows, how)
    for address, problem in report.bad:
        progress(f"{address!r}: {problem}")
    hint_workers()
    would = "would be " if dry_run else ""
    counts = [
        f"{report.counts[RowOutcome.NEW]} {would}{RowOutcome.NEW}",
        f"{report.counts[RowOutcome.STORED]} {RowOutcome.STORED}",
    ]
    counts += [f"{count} {what}" for what in list(RowOutcome)[2:] if (count := report.counts[what])]
    progress(f"{', '.join(counts)}, {len(report.bad)} invalid.")
    advice = {
        RowOutcome.SUPPRESSED: "Suppressed addresses get no email. To allow one: digest suppressions lift ADDRESS",
        RowOutcome.LEFT: "People who left, bounced or were blocked stay out until they subscribe again themselves.",
        RowOutcome.ASKED: "An address is asked at most once a day and three times a month. Import those again later.",
    }
    for what, words in advice.items():
        if report.counts[what]:
            progress(words)
    if report.bad:
        sys.exit(1)
