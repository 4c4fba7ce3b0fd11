"""The replay log has every change in the database, even after a crash in between."""

import fcntl
import json
import multiprocessing
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from digest.database.engine import keep_log, read_only, transaction
from digest.database.tables import subscribers
from digest.ledger.replay_log import Coverage, ReplayLog, coverages, entries_since
from digest.subscribers import store, subscriptions
from tests.support.scenario import MORNING, ON_SQLITE, add_subscriber

EVER = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path):
    return ReplayLog(tmp_path / "replay", "one", 35)


def entries(tmp_path):
    return [entry["what"] for entry in entries_since(tmp_path / "replay", EVER)]


def file_of(tmp_path, day, *lines, host="one"):
    folder = tmp_path / "replay"
    folder.mkdir(exist_ok=True)
    (folder / f"{host}.2026-03-{day:02}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def line(day, what="alive", hour=12, **more):
    return json.dumps({"at": f"2026-03-{day:02}T{hour:02}:00:00+00:00", "what": what, **more})


def at(day, hour=12):
    return datetime(2026, 3, day, hour, tzinfo=UTC)


class Watching:
    """Records with each entry if the database already shows the change."""

    def __init__(self, engine):
        self.engine, self.seen = engine, []

    def append(self, new):
        with read_only(self.engine) as connection:
            status = connection.scalar(select(subscribers.c.status))
        self.seen += [(str(entry["what"]), status) for entry in new]


def test_an_unsubscription_is_on_disk_before_it_is_stored_and_a_new_subscription_after(engine):
    watching = Watching(engine)
    keep_log(engine, watching)
    ada = add_subscriber(engine, "ada@example.com")
    subscriptions.unsubscribe(engine, ada.id, MORNING, "test")
    subscriptions.resubscribe(engine, ada.id, MORNING)
    subscriptions.erase(engine, ada.id, MORNING)
    assert watching.seen == [
        ("back", "confirmed"),
        ("left", "confirmed"),
        ("back", "confirmed"),
        ("left", "confirmed"),
        ("deleted", "confirmed"),
    ]


@ON_SQLITE
def test_a_transaction_that_is_rolled_back_before_its_commit_leaves_no_entry(engine, log, tmp_path):
    keep_log(engine, log)
    ada = add_subscriber(engine, "ada@example.com")

    with suppress(RuntimeError), transaction(engine) as connection:
        store.set_unsubscribed(connection, ada.id, MORNING)
        raise RuntimeError("no commit")
    add_subscriber(engine, "eve@example.com")
    assert entries(tmp_path) == ["began", "back", "back"]


@ON_SQLITE
def test_a_full_disk_keeps_nobody_subscribed_and_leaves_a_gap(engine, log, tmp_path):
    keep_log(engine, log)
    ada = add_subscriber(engine, "ada@example.com")
    folder = tmp_path / "replay"
    folder.rename(tmp_path / "elsewhere")
    folder.write_text("no folder")
    assert subscriptions.unsubscribe(engine, ada.id, MORNING, "test")
    folder.unlink()
    (tmp_path / "elsewhere").rename(folder)
    log.append([{"what": "alive"}])
    assert entries(tmp_path) == ["began", "back", "gap", "alive"]
    [coverage] = coverages(folder)
    assert coverage.has_gap
    assert datetime.now(UTC) - coverage.since < timedelta(minutes=1)


def test_the_torn_line_of_a_process_that_died_is_cut_off(log, tmp_path):
    log.append([{"what": "left", "key": "a"}])
    [file] = (tmp_path / "replay").iterdir()
    with file.open("a") as stream:
        stream.write('{"at": "2026-')
    log.append([{"what": "left", "key": "b"}])
    assert entries(tmp_path) == ["began", "left", "left"]
    assert not coverages(tmp_path / "replay")[0].has_gap
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_append_waits_for_another_process(log, tmp_path):
    log.append([{"what": "alive"}])
    [file] = (tmp_path / "replay").iterdir()
    with file.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        thread = threading.Thread(target=log.append, args=([{"what": "left", "key": "a"}],))
        thread.start()
        thread.join(0.1)
        assert entries(tmp_path) == ["began", "alive"]
    thread.join()
    assert entries(tmp_path) == ["began", "alive", "left"]


def append_many(folder, name):
    log = ReplayLog(folder, "one", 35)
    for number in range(50):
        log.append([{"what": "left", "key": f"{name}{number}"}] * 20)


def test_several_processes_append_whole_lines(tmp_path):
    folder = tmp_path / "replay"
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may wait for ever
    processes = [context.Process(target=append_many, args=(folder, name)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(entries(tmp_path)) == ["began"] + ["left"] * 2_000


def test_a_log_of_several_days_covers_them_all(tmp_path):
    file_of(tmp_path, 1, line(1, "began", previous=""), line(1, hour=20))
    file_of(tmp_path, 2, line(2, "began", previous="2026-03-01"), line(2, hour=20))
    assert coverages(tmp_path / "replay") == [Coverage("one", at(1), at(2, 20), has_gap=False)]


@pytest.mark.parametrize(
    ("lines", "since"),
    [
        ([line(3, "began", previous="2026-03-02")], at(3)),  # the previous day's file is missing
        ([line(3, "began", previous="2026-03-01"), line(3, "gap", hour=15)], at(3, 15)),
        ([line(3, "began", previous="2026-03-01"), "damaged", line(3, hour=16)], at(3, 16)),
        (["damaged", line(3, hour=16)], at(3, 16)),
        ([line(3)], at(3)),
    ],
)
def test_a_gap_ends_what_is_covered(tmp_path, lines, since):
    file_of(tmp_path, 1, line(1, "began", previous=""))
    file_of(tmp_path, 3, *lines)
    [coverage] = coverages(tmp_path / "replay")
    assert (coverage.since, coverage.has_gap) == (since, True)


def test_old_files_are_deleted_and_those_of_other_machines_stay(log, tmp_path):
    file_of(tmp_path, 1, line(1, "began", previous=""))
    file_of(tmp_path, 1, line(1, "began", previous=""), host="two")
    log.append([{"what": "alive"}])
    names = sorted(file.name for file in (tmp_path / "replay").iterdir())
    assert names == [f"one.{datetime.now(UTC).date()}.jsonl", "two.2026-03-01.jsonl"]
