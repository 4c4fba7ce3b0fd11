"""The commands subscribers … and suppressions …"""

import csv
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from digest import clock
from digest.cli.lookup import hint_workers, key_of, known_subscriber, open_database, reading
from digest.cli.options import DryRun
from digest.cli.output import NotReady, answer, print_json, progress, table, with_json
from digest.ledger.kinds import Status
from digest.settings import settings
from digest.subscribers.subscriber import Preferences

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
        (each.email, each.status, wants.papers, f"{wants.hour:02}", wants.zone, ",".join(wants.topics))
        for each in listed
        for wants in [each.preferences]
    ]
    heading = ("address", "status", "papers", "hour", "zone", "topics")
    answer([asdict(subscriber) for subscriber in listed], lambda: table([heading, *rows]))


@subscribers.command()
def add(address: Address, consented: Consented = "", dry_run: DryRun = False) -> None:
    """Sign up one address. It is asked to confirm, unless --consented says where consent was given."""
    _import([address], consented, dry_run)


@subscribers.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a column “email”, or one address a line.")
    ],
    consented: Consented = "",
    dry_run: DryRun = False,
) -> None:
    """Sign up many addresses. Invalid lines are listed and skipped; exit code 1 when there were any."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        lines = list(csv.reader(opened))
    heading = [cell.strip().casefold() for cell in lines[0]] if lines else []
    column = heading.index("email") if "email" in heading else 0
    body = lines[1:] if "email" in heading else lines
    _import([line[column] for line in body if len(line) > column and line[column].strip()], consented, dry_run)


@subscribers.command()
def export() -> None:
    """Print every subscriber as CSV."""
    from digest.subscribers.store import with_status

    with reading() as connection:
        listed = with_status(connection)
    write = csv.writer(sys.stdout).writerow
    names = [field.name for field in fields(Preferences)]
    write(["email", "status", *names, "created_at", "confirmed_at"])
    for subscriber in listed:
        values = [getattr(subscriber.preferences, name) for name in names]
        row = (subscriber.email, subscriber.status, *values, subscriber.created_at, subscriber.consent.confirmed_at)
        write([_harmless(_cell(value)) for value in row])


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


def _import(addresses: list[str], consented: str, dry_run: bool) -> None:
    from digest.subscribers.imports import import_addresses

    secret = settings().secret_keys[-1]
    report = import_addresses(open_database(), addresses, consented, clock.now(), secret, dry_run=dry_run)
    for address, problem in report.bad:
        progress(f"{address!r}: {problem}")
    hint_workers()
    would = "would be " if dry_run else ""
    progress(f"{report.new} {would}signed up, {report.already_there} already there, {len(report.bad)} invalid.")
    if report.bad:
        sys.exit(1)


def _cell(value: Any) -> str:
    """A value as text: several separated by commas, weekdays as Monday = 0, instants as ISO 8601."""
    if isinstance(value, (tuple, frozenset)):
        return ", ".join(str(part) for part in (sorted(value) if isinstance(value, frozenset) else value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)


def _harmless(cell: Any) -> Any:
    """A cell that no spreadsheet reads as a formula."""
    return "'" + cell if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
