"""The commands subscribers unsubscribe, move and erase."""

from typing import Annotated

import typer

from digest import clock
from digest.cli.lookup import hint_workers, known_subscriber, open_database, valid_address
from digest.cli.options import Address, DryRun
from digest.cli.output import NotReady, report, with_json
from digest.ledger.kinds import Kind
from digest.settings import settings


@with_json
def unsubscribe(address: Address, dry_run: DryRun = False) -> None:
    """Unsubscribe one address; what is stored about it stays. To delete it: erase."""
    from digest.subscribers.subscriptions import unsubscribe as end_subscription

    subscriber = known_subscriber(address)
    if not dry_run:
        end_subscription(open_database(), subscriber.id, clock.now(), "operator")
    document = {"address": address, "unsubscribed": not dry_run, "dry_run": dry_run}
    report(document, f"{address} {'would be' if dry_run else 'is'} unsubscribed.")


NewAddress = Annotated[str, typer.Argument(metavar="NEW", help="Address to change to.")]


@with_json
def move(address: Address, new: NewAddress, dry_run: DryRun = False) -> None:
    """Ask NEW to confirm that a subscriber gets email there, for someone who cannot confirm at the old address.

    Everything else is kept. Nothing changes until NEW confirms; the old address is told then.
    """
    from digest.subscribers.address_change.asking import ChangeRefusal, NewRequest, queue_emails, request_change

    subscriber, to = known_subscriber(address), valid_address(new)
    queued: tuple[Kind, ...] = ()
    if not dry_run:
        now, secret = clock.now(), settings().secret_keys[-1]
        request = NewRequest(to, now, "", "operator", by_operator=True)
        change = request_change(open_database(), subscriber.id, request, secret)
        if isinstance(change, ChangeRefusal):
            raise NotReady(_WHY_NOT[change].format(address=address))
        queued = queue_emails(open_database(), change.id, now, secret)
        hint_workers()
    document = {"address": address, "new": to, "asked": Kind.NEW_ADDRESS in queued, "dry_run": dry_run}
    if dry_run or Kind.NEW_ADDRESS in queued:
        report(document, f"{to} {'would be' if dry_run else 'is'} asked to confirm.")
    elif Kind.ADDRESS_TAKEN in queued:
        report(document, f"{to} has a subscription of its own. To delete it first: digest subscribers erase {to}")
    else:
        report(
            document,
            f"{to} is not asked: it is suppressed, or was asked lately. To see why: digest subscribers show {to}",
        )


_WHY_NOT = {
    "not subscribed": "{address} is not subscribed, so there is nothing to move.",
    "same": "{address} is that address already.",
}


@with_json
def erase(address: Address, dry_run: DryRun = False) -> None:
    """Delete one subscriber. The ledger keeps their deliveries, without the address."""
    from digest.subscribers.subscriptions import erase as delete

    subscriber = known_subscriber(address)
    if not dry_run:
        delete(open_database(), subscriber.id, clock.now())
    document = {"address": address, "deleted": not dry_run, "dry_run": dry_run}
    report(document, f"{address} {'would be' if dry_run else 'is'} deleted.")
