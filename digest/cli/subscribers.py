"""Commands about readers: subscribers list, add, import, export, show, erase, remove; suppressions list, add, lift."""

import csv
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.lookup import key_of, known_reader, open_database
from digest.cli.options import DryRun, Json
from digest.cli.output import NotReady, answer, progress, table
from digest.ledger.kinds import Status
from digest.settings import settings
from digest.subscribers.subscriber import Preferences

if TYPE_CHECKING:  # the help text should not wait for the database's library
    pass

subscribers = typer.Typer(help="Readers: list, add, import, export, show, erase.", no_args_is_help=True)
suppressions = typer.Typer(help="Addresses that are never mailed.", no_args_is_help=True)
Address = Annotated[str, typer.Argument(help="A mail address.")]
Consented = Annotated[
    str,
    typer.Option(
        "--consented", help="Where these people confirmed, e.g. 'old list, 2026-03'; without it each is asked by mail."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add this file's groups to `app`."""
    app.add_typer(subscribers, name="subscribers", rich_help_panel="Readers")
    app.add_typer(suppressions, name="suppressions", rich_help_panel="Readers")


@subscribers.command("list")
def list_(
    status: Annotated[Status | None, typer.Option(help="Only those of one status.")] = None, as_json: Json = False
) -> None:
    """Every reader, with what they asked for."""
    from digest.database.engine import read_only
    from digest.subscribers.store import with_status

    with read_only(open_database()) as connection:
        readers = with_status(connection, status)
    rows = [("address", "status", "papers", "hour", "zone", "topics")]
    for one in readers:
        asked = one.preferences
        rows.append((one.email, one.status, str(asked.papers), f"{asked.hour:02}", asked.zone, ",".join(asked.topics)))
    answer(as_json, [asdict(one) for one in readers], lambda: table(rows))


@subscribers.command()
def add(address: Address, consented: Consented = "", dry_run: DryRun = False) -> None:
    """Sign up one address; it gets a confirmation mail, unless --consented says where it confirmed before."""
    _import([address], consented, dry_run)


@subscribers.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a column “email”, or one address a line.")
    ],
    consented: Consented = "",
    dry_run: DryRun = False,
) -> None:
    """Sign up many addresses. Bad lines are named and change nothing; exit code 1 when there were any."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        lines = list(csv.reader(opened))
    heading = [cell.strip().casefold() for cell in lines[0]] if lines else []
    column = heading.index("email") if "email" in heading else 0
    body = lines[1:] if "email" in heading else lines
    _import([line[column] for line in body if len(line) > column and line[column].strip()], consented, dry_run)


@subscribers.command()
def export() -> None:
    """Every reader as CSV on stdout."""
    from digest.database.engine import read_only
    from digest.subscribers.store import with_status

    with read_only(open_database()) as connection:
        readers = with_status(connection)
    write = csv.writer(sys.stdout).writerow
    asked = [field.name for field in fields(Preferences)]
    write(["email", "status", *asked, "created_at", "confirmed_at"])
    for one in readers:
        wishes = [getattr(one.preferences, name) for name in asked]
        row = (one.email, one.status, *wishes, one.created_at, one.consent.confirmed_at)
        write([_harmless(_cell(value)) for value in row])


@subscribers.command()
def show(address: Address) -> None:
    """Everything that is stored about one reader, as JSON."""
    from digest.issues.personal_data import export as everything

    engine = open_database()
    answer(True, everything(engine, known_reader(engine, address).id), list)


@subscribers.command()
def remove(address: Address, dry_run: DryRun = False) -> None:
    """Unsubscribe one reader."""
    from digest import clock
    from digest.subscribers.subscriptions import unsubscribe

    engine = open_database()
    reader = known_reader(engine, address)
    if not dry_run:
        unsubscribe(engine, reader.id, clock.now(), "operator")
    progress(f"{address} {'would be' if dry_run else 'is'} unsubscribed.")


@subscribers.command()
def erase(address: Address, dry_run: DryRun = False) -> None:
    """Forget one reader; the ledger keeps that there were mails, not for whom."""
    from digest import clock
    from digest.subscribers.subscriptions import erase as forget

    engine = open_database()
    reader = known_reader(engine, address)
    if not dry_run:
        forget(engine, reader.id, clock.now())
    progress(f"{address} {'would be' if dry_run else 'is'} erased.")


@suppressions.command("list")
def list_suppressions(as_json: Json = False) -> None:
    """Every suppressed address, by the hash that stands for it, with the reason."""
    from digest.database.engine import read_only
    from digest.subscribers.suppressions import all_suppressions

    with read_only(open_database()) as connection:
        found = all_suppressions(connection)
    rows = [("key", "reason", "since", "detail")]
    rows += [(one.key, one.reason, f"{one.created_at:%Y-%m-%d}", one.detail[:60]) for one in found]
    answer(as_json, [asdict(one) for one in found], lambda: table(rows))


@suppressions.command("add")
def suppress_address(address: Address, dry_run: DryRun = False) -> None:
    """Never mail an address again."""
    from digest import clock
    from digest.database.engine import transaction
    from digest.subscribers.suppressions import SuppressionReason, suppress

    key = key_of(address)
    if not dry_run:
        with transaction(open_database()) as connection:
            suppress(connection, key, SuppressionReason.OPERATOR, "", clock.now())
    progress(f"{address} {'would be' if dry_run else 'is'} suppressed.")


@suppressions.command()
def lift(address: Address, dry_run: DryRun = False) -> None:
    """End the suppression of an address."""
    from digest.database.engine import transaction
    from digest.subscribers.suppressions import is_suppressed
    from digest.subscribers.suppressions import lift as end

    key = key_of(address)
    with transaction(open_database()) as connection:
        if not is_suppressed(connection, key):
            raise NotReady(f"{address} is not suppressed.")
        if not dry_run:
            end(connection, key)
    progress(f"The suppression of {address} {'would be' if dry_run else 'is'} lifted.")


def _import(addresses: list[str], consented: str, dry_run: bool) -> None:
    from digest import clock, wiring
    from digest.subscribers.imports import import_addresses

    secret = settings().secret_keys[-1]
    report = import_addresses(open_database(), addresses, consented, clock.now(), secret, dry_run=dry_run)
    for address, problem in report.bad:
        progress(f"{address!r}: {problem}")
    wiring.hint(settings())()
    would = "would be " if dry_run else ""
    progress(f"{report.new} {would}signed up, {report.known} known already, {len(report.bad)} bad.")
    if report.bad:
        sys.exit(1)


def _cell(value: Any) -> str:
    """One value in one cell: several with commas between, weekdays as Monday = 0, instants as ISO 8601."""
    if isinstance(value, (tuple, frozenset)):
        return ", ".join(str(part) for part in (sorted(value) if isinstance(value, frozenset) else value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)


def _harmless(cell: Any) -> Any:
    """A cell that a spreadsheet does not take for a formula."""
    return "'" + cell if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
