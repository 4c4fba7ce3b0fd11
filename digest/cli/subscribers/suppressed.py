"""The commands suppressions …"""

from dataclasses import asdict

from digest import clock
from digest.cli.lookup import key_of, open_database, reading
from digest.cli.options import Address, DryRun, Why
from digest.cli.output import NotReady, answer, report, table, with_json


@with_json
def list_() -> None:
    """List the suppressed addresses with reason and date; of one that nobody subscribed, only the hash is known."""
    from digest.subscribers.suppressions import all_suppressions

    with reading() as connection:
        listed = all_suppressions(connection)
    rows = [("address", "reason", "since", "detail")]
    rows += [(row.address or row.key, row.reason, f"{row.created_at:%Y-%m-%d}", row.detail) for row in listed]
    answer(
        [asdict(row) for row in listed],
        lambda: table(rows, sentences=True) if listed else ["No address is suppressed."],
    )


def _lines(rows: list[tuple[str, ...]]) -> list[str]:
    return table(rows, sentences=True) if rows[1:] else ["No address is suppressed."]


@with_json
def add(address: Address, reason: Why = "", dry_run: DryRun = False) -> None:
    """Never send email to an address again."""
    from digest.subscribers.suppressions import suppress_by_hand

    key = key_of(address)
    if not dry_run:
        suppress_by_hand(open_database(), key, reason, clock.now())
    document = {"address": address, "suppressed": not dry_run, "dry_run": dry_run}
    report(document, f"{address} {'would be' if dry_run else 'is'} suppressed.")


@with_json
def lift(address: Address, dry_run: DryRun = False) -> None:
    """Allow email to a suppressed address again."""
    from digest.subscribers.suppressions import is_suppressed, lift_by_hand

    key = key_of(address)
    with reading() as connection:
        if not is_suppressed(connection, key):
            raise NotReady(f"{address} is not suppressed. To list who is: digest suppressions list")
    if not dry_run:
        lift_by_hand(open_database(), key, clock.now())
    document = {"address": address, "suppressed": dry_run, "dry_run": dry_run}
    report(document, f"The suppression of {address} {'would be' if dry_run else 'is'} lifted.")
