"""The commands backup, restore and settle."""

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import clock
from digest.cli.backup.texts import restored_lines, settle_lines, settlement_document, uncovered_lines
from digest.cli.lookup import hint_workers, open_database, reading
from digest.cli.options import DryRun
from digest.cli.output import NotReady, progress, report, with_json, writes_json
from digest.settings import settings
from digest.text import minute_of

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from sqlalchemy import Engine

    from digest.database.backup.file import BackupFile
    from digest.monitoring.backup.after_restore import Circumstances, Restored
    from digest.monitoring.backup.records import Backup
    from digest.monitoring.backup.settle import Settlement

File = Annotated[Path, typer.Argument(metavar="FILE", help="Backup file.", show_default=False)]
Force = Annotated[
    bool,
    typer.Option("--force", help="Overwrite a database that is not empty, or restore without the backup's secret key."),
]
Complete = Annotated[bool, typer.Option("--complete", help="Confirm that the replay logs end where Digest stopped.")]


@with_json
def backup(file: File, dry_run: DryRun = False) -> None:
    """Write the database to a file. Digest may keep running. The secret key is not included: keep a copy of it."""
    from digest.database.backup.dump import check_tools, dump
    from digest.database.backup.tools import BackupError
    from digest.database.engine import transaction
    from digest.monitoring.backup.records import begin_backup, forget_backup
    from digest.settings.composing import replay_log

    engine, now = open_database(), datetime.now(UTC)
    document: dict[str, Any] = {"file": str(file), "key": _key_names()[-1], "dry_run": dry_run}
    try:
        check_tools(engine)
        if dry_run:
            return report(document, f"The database would be written to {file}. {_where_the_key_is()}")
        replay_log(settings()).alive()
        with transaction(engine) as connection:
            made = begin_backup(connection, now, _key_names(), socket.gethostname(), clock.now())
        try:
            dump(engine, file)
        except BaseException:
            with transaction(engine) as connection:
                forget_backup(connection, made.id)
            raise
    except BackupError as problem:
        raise NotReady(str(problem)) from None
    size = file.stat().st_size
    line = f"The database was written to {file} ({size / 1e6:,.1f} MB, complete and checked). {_where_the_key_is()}"
    return report(document | {"bytes": size, "at": made.at, "id": made.id}, line)


@with_json
def restore(
    file: File,
    force: Force = False,
    complete: Complete = False,
    dry_run: DryRun = False,
) -> None:
    """Replace the database with a backup. Stop Digest first. No message is sent twice: see docs/backup.md."""
    from digest.database.backup.file import backup_file
    from digest.database.backup.tools import BackupError
    from digest.database.engine import connect
    from digest.monitoring.backup.after_restore import why_backup_uncovered

    engine = connect(settings().database, create=False)
    circumstances = _circumstances(complete)
    try:
        source = backup_file(file)
        source.check()
        made = _backup_in(source)
        _check(engine, source, made, force)
        uncovered = why_backup_uncovered(made, circumstances)
        document = {"file": str(file), "at": made.at, "id": made.id, "uncovered": uncovered, "dry_run": dry_run}
        if dry_run:
            return report(
                document,
                f"{file} would be restored: a backup of {minute_of(made.at)}.",
                *uncovered_lines(uncovered),
            )
        result = _put_in_place(engine, source, circumstances)
    except BackupError as problem:
        raise NotReady(str(problem)) from None
    finally:
        engine.dispose()
    counts = {name: getattr(result.repeated, name) for name in ("unsubscribed", "deleted", "suppressed", "sent")}
    document |= counts | {"lost_issues": list(result.lost_issues), "waiting": result.paused, "drafts": result.drafts}
    return report(document, *restored_lines(result, uncovered))


@with_json
def settle(
    send: Annotated[bool, typer.Option("--send", help="Send the deliveries that were certainly not sent.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Skip all waiting deliveries of issues.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Send or skip the deliveries that are waiting since a restore. Those that may have been sent are skipped."""
    from digest.database.engine import transaction
    from digest.monitoring.backup.settle import settle as settle_now
    from digest.monitoring.backup.settle import settlement

    if send and skip:
        raise typer.BadParameter("use --send or --skip, not both", param_hint="--send")
    with reading() as connection:
        plan = settlement(connection)
    if plan is None:
        return report({"waiting": [], "settled": False, "dry_run": dry_run}, "There is nothing to settle.")
    document = settlement_document(plan) | {"settled": False, "dry_run": dry_run}
    if dry_run or not (send or skip):
        return report(
            document,
            *settle_lines(plan),
            *([] if dry_run else ["To decide: digest settle --send, or digest settle --skip"]),
        )
    if not yes and not _confirms(plan, send):
        return report(document, "Nothing changed.")
    with transaction(open_database()) as connection:
        settle_now(connection, plan, send, clock.now())
    hint_workers()
    verb = "are sent" if send else "are skipped"
    line = f"{plan.unsent} deliveries {verb}, {plan.doubtful} that may have been sent are skipped."
    return report(document | {"settled": True, "sent": plan.unsent if send else 0}, line)


def _confirms(plan: "Settlement", send: bool) -> bool:
    if writes_json():
        raise typer.BadParameter("with --json, add --yes", param_hint="--yes")
    for line in settle_lines(plan):
        progress(line)
    return typer.confirm(f"{'Send' if send else 'Skip'} {plan.unsent} and skip {plan.doubtful}?", err=True)


def _put_in_place(engine: "Engine", source: "BackupFile", circumstances: "Circumstances") -> "Restored":
    from digest.database.backup.restore import restore as put_in_place
    from digest.monitoring.backup.after_restore import after_restore, stop_sending

    results: list[Restored] = []
    put_in_place(
        engine,
        settings().database,
        source,
        lambda connection: stop_sending(connection, circumstances.now),
        lambda restored: results.append(after_restore(restored, circumstances)),
    )
    return results[0]


def _check(engine: "Engine", source: "BackupFile", made: "Backup", force: bool) -> None:
    """Raise BackupError if the restore is impossible or would overwrite something."""
    from digest.database.backup.restore import expect_unused, is_empty
    from digest.database.backup.tools import BackupError
    from digest.database.migrate import NEWER, steps_from_nothing

    revision = next(iter(source.rows("alembic_version")), {}).get("version_num")
    if not any(step.split()[0] == revision for step in steps_from_nothing()):
        raise BackupError(f"{source.path} was made by a later version of Digest. {NEWER}")
    if made.keys[-1] != _key_names()[-1] and not force:
        raise BackupError(
            "DIGEST_SECRET_KEY is not the key of this backup: no link in an email would work, and suppressed addresses "
            "could sign up again. Set that key, or use --force"
        )
    expect_unused(engine)
    if not force and not is_empty(engine):
        raise BackupError("the database is not empty. Back it up, then use --force")


def _backup_in(source: "BackupFile") -> "Backup":
    import json

    from digest.database.backup.tools import BackupError
    from digest.monitoring.backup.records import Backup

    rows = sorted(source.rows("backups"), key=lambda row: str(row["at"]))
    if not rows:
        raise BackupError(f"{source.path} was not made by digest backup, so it is unknown what was sent after it")
    row = rows[-1]
    at = datetime.fromisoformat(str(row["at"]))
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    keys, hosts = (tuple(json.loads(str(row[name]))) for name in ("keys", "hosts"))
    return Backup(str(row["id"]), at, keys, hosts, str(row["version"]))


def _circumstances(complete: bool) -> "Circumstances":
    from digest.monitoring.backup.after_restore import Circumstances

    return Circumstances(settings().replay_folder, datetime.now(UTC), clock.now(), settings().cut_at, complete)


def _key_names() -> list[str]:
    from digest.subscribers.tokens import key_id

    return [key_id(key) for key in settings().secret_keys]


def _where_the_key_is() -> str:
    if settings().secret_key.get_secret_value():
        return "Keep a copy of DIGEST_SECRET_KEY: it is not in the file, and no link works without it."
    key = settings().data_dir / "secret_key"
    return f"Keep a copy of {key}: it is not in the file, and no link works without it."
