"""The commands subscribers unsubscribe and erase."""

from digest import clock
from digest.cli.lookup import known_subscriber, open_database
from digest.cli.options import Address, DryRun
from digest.cli.output import report, with_json


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
