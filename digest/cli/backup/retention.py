"""The command retention."""

from digest import clock
from digest.cli.lookup import open_database
from digest.cli.options import DryRun
from digest.cli.output import answer, table, with_json
from digest.settings import settings


@with_json
def retention(dry_run: DryRun = False) -> None:
    """Delete rows older than the DIGEST_KEEP_… settings allow. The scheduler does so every hour."""
    from digest.monitoring.retention.rules import days_by_table
    from digest.monitoring.retention.run import delete_old, too_old

    engine, now, days = open_database(), clock.now(), days_by_table(settings())
    rows = too_old(engine, settings(), now) if dry_run else delete_old(engine, settings(), now, seconds=3600)
    document = [{"table": name, "days": days[name], "rows": number} for name, number in rows.items()]
    head = ("table", "days kept", "would be deleted" if dry_run else "deleted")
    answer(
        {"tables": document, "dry_run": dry_run},
        lambda: table([head, *((name, days[name], rows[name]) for name in rows)]),
    )
