"""Alarms: each problem once, its end once, from whichever process lives, also without a database."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import delete, select

from digest.database.engine import connect, read_only, transaction
from digest.database.tables import alarms as alarm_table
from digest.database.tables import heartbeats
from digest.ledger import events
from digest.mail.pauses import EVERYTHING, pause_by_hand, resume
from digest.monitoring.alarms.stored import needs_writing, record_announced, stored_rows, take_alarms
from digest.monitoring.alarms.watch import Watch, WatchThread
from digest.monitoring.checks import Level, Problem
from digest.monitoring.heartbeats import ProcessName, Role, beat
from digest.settings import Settings
from tests.support.scenario import ON_SQLITE, add_subscriber
from tests.support.smtp_server import Step
from tests.support.waiting import wait_for

NO_SCHEDULER = "no scheduler is running"
LATER = timedelta(seconds=61)


class Receiver:
    """A web server that keeps what it is sent."""

    def __init__(self) -> None:
        self.posted: list[dict] = []
        self.called = 0
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self._answer()

            def do_GET(self) -> None:
                receiver.called += 1
                self._answer()

            def _answer(self) -> None:
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret-path"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def headlines(self) -> list[tuple[str, str, bool]]:
        return [
            (alarm["name"], alarm["subject"], alarm["is_over"])
            for document in self.posted
            for alarm in document["alarms"]
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def settings(database_url, receiver, tmp_path):
    (tmp_path / "folder").mkdir()
    return Settings(
        database_url=SecretStr(database_url),
        data_dir=tmp_path / "folder",
        sources=("arxiv",),
        alarm_webhook_url=SecretStr(receiver.url),
    )


def starts(engine, role=Role.SCHEDULER):
    """A process of this role is seen now."""
    beat(engine, ProcessName(role, "a", 1), {}, is_first=True)


def test_a_problem_is_announced_once_by_one_of_several_processes_and_its_end_too(engine, settings, receiver):
    now = datetime.now(UTC)
    watches = [Watch(settings) for _ in range(3)]
    for watch in watches:
        watch.look(now)
    assert receiver.headlines == [("no-scheduler", "", False)]
    assert NO_SCHEDULER in receiver.posted[0]["text"]
    starts(engine)
    for watch in watches:
        watch.look(now)
        watch.look(now + timedelta(seconds=30))
    assert len(receiver.posted) == 1
    for watch in watches:
        starts(engine)
        watch.look(now + LATER)
    assert receiver.headlines == [("no-scheduler", "", False), ("no-scheduler", "", True)]
    with read_only(engine) as connection:
        assert connection.execute(select(alarm_table)).all() == []
        assert [event.what for event in events.latest(connection, 5, "alarm:no-scheduler")] == ["over", "alarm"]


def test_a_problem_that_comes_and_goes_is_announced_once(engine, settings, receiver):
    now, watch = datetime.now(UTC), Watch(settings)
    watch.look(now)
    for minute in range(1, 4):
        starts(engine)
        watch.look(now + timedelta(minutes=minute))
        with transaction(engine) as connection:
            connection.execute(delete(heartbeats))
        watch.look(now + timedelta(minutes=minute, seconds=50))
    assert receiver.headlines == [("no-scheduler", "", False)]


def test_a_warning_that_becomes_critical_is_announced_once_more(engine, settings, receiver):
    now = datetime.now(UTC)

    def share(level: Level) -> list[Level]:
        problem = Problem(level, "disk", "a", "the disk fills up", "Make room")
        with transaction(engine) as connection:
            if not needs_writing(stored_rows(connection), [problem], now):
                return []
            alarms = take_alarms(connection, [problem], now, {})
            record_announced(connection, alarms, now)
        return [alarm.problem.level for alarm in alarms]

    levels = (Level.WARNING, Level.WARNING, Level.CRITICAL, Level.CRITICAL, Level.WARNING, Level.CRITICAL)
    assert [share(level) for level in levels] == [[Level.WARNING], [], [Level.CRITICAL], [], [], []]


def test_processes_that_look_at_the_same_time_announce_it_once(engine, settings, receiver):
    def look_together(now: datetime) -> None:
        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(Watch(settings).look, now) for _ in range(6)]:
                done.result()

    now = datetime.now(UTC)
    look_together(now)
    starts(engine)
    look_together(now + timedelta(seconds=20))
    look_together(now + timedelta(seconds=90))
    assert receiver.headlines == [("no-scheduler", "", False), ("no-scheduler", "", True)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite lets only one write at a time
def test_an_end_that_another_process_is_about_to_announce_is_left_to_it(engine, settings, receiver):
    def waits() -> bool:
        with read_only(engine) as connection:
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            return connection.exec_driver_sql(query).scalar_one() > 0

    now = datetime.now(UTC)
    Watch(settings).look(now)
    starts(engine)
    Watch(settings).look(now)
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            assert [alarm.is_over for alarm in take_alarms(connection, [], now + LATER, {})] == [True]
            other = pool.submit(Watch(settings).look, now + LATER)
            wait_for(waits, 10, "the other process")
        other.result()
    assert receiver.headlines == [("no-scheduler", "", False)]


def test_the_first_process_alone_looks_and_the_next_when_it_is_gone(engine, settings, receiver):
    now = datetime.now(UTC)
    starts(engine, Role.WEB)
    starts(engine)
    add_subscriber(engine, "ada@example.com")
    web, scheduler = (Watch(settings, ProcessName(role, "a", 1)) for role in (Role.WEB, Role.SCHEDULER))
    web.look(now)
    assert receiver.headlines == []
    scheduler.look(now)
    assert receiver.headlines == [("no-worker", "", False)]
    with transaction(engine) as connection:
        connection.execute(delete(heartbeats).where(heartbeats.c.role == Role.SCHEDULER))
    web.look(now)
    assert receiver.headlines == [("no-worker", "", False), ("no-scheduler", "", False)]


def test_another_process_takes_over_when_the_thread_that_watches_hangs(engine, settings, receiver, monkeypatch):
    hung = WatchThread(settings, Role.SCHEDULER)  # not started, so it never wakes
    add_subscriber(engine, "ada@example.com")
    web, scheduler = (ProcessName(role, "a", 1) for role in (Role.WEB, Role.SCHEDULER))
    beat(engine, web, {}, is_first=True)
    beat(engine, scheduler, hung.detail(), is_first=True)
    Watch(settings, web).look(datetime.now(UTC))
    assert receiver.headlines == []
    instant = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: instant)
    beat(engine, scheduler, hung.detail())
    Watch(settings, web).look(datetime.now(UTC))
    assert receiver.headlines == [("no-worker", "", False)]


def test_an_alarm_that_no_channel_took_is_tried_again_also_by_another_process(engine, settings, receiver):
    now, receiver.status = datetime.now(UTC), 500
    with structlog.testing.capture_logs() as logs:
        Watch(settings).look(now)
    failed = [entry for entry in logs if entry["event"] == "an alarm could not be sent"]
    assert [(entry["channel"], entry["problem"]) for entry in failed] == [("webhook", "it answered 500")]
    assert "secret-path" not in repr(logs)
    receiver.posted, receiver.status = [], 200
    other = Watch(settings)
    other.look(now + timedelta(seconds=60))  # somebody may still be sending it
    assert receiver.posted == []
    other.look(now + timedelta(seconds=121))
    other.look(now + timedelta(seconds=260))
    assert receiver.headlines == [("no-scheduler", "", False)]


def test_an_operator_without_channels_finds_alarms_in_the_log(engine, settings):
    with structlog.testing.capture_logs() as logs:
        Watch(settings.model_copy(update={"alarm_webhook_url": SecretStr("")})).look(datetime.now(UTC))
    assert [(entry["event"], NO_SCHEDULER in entry["text"]) for entry in logs] == [("alarm", True)]


def test_an_email_says_what_is_wrong_since_when_and_what_to_do(engine, settings, smtp_server):
    settings = settings.model_copy(
        update={
            "alarm_to": ("ops@example.org", "ada@example.org"),
            "alarm_smtp_url": SecretStr(smtp_server.url),
            "smtp_url": SecretStr("smtp://127.0.0.1:9"),  # the usual one is down
            "title": "Tägliche Papers",
        }
    )
    add_subscriber(engine, "reader@example.com")
    Watch(settings).look(datetime.now(UTC))
    assert [mail.rcpt_tos for mail in smtp_server.taken] == [("ops@example.org",), ("ada@example.org",)]
    message = message_from_bytes(smtp_server.taken[0].content, policy=default)
    assert message["Subject"] == "[Tägliche Papers] Critical: no scheduler is running (and 1 more)"
    assert (message["Auto-Submitted"], message["To"]) == ("auto-generated", "ops@example.org, ada@example.org")
    assert message["Message-ID"].endswith("@localhost>")
    text = message.get_content().replace("\r\n", "\n")
    assert "Critical: no worker is running\n" in text
    assert "Start it: digest up, or digest worker" in text
    assert settings.public_url in text


def test_one_channel_that_fails_does_not_keep_back_the_others(engine, settings, receiver, smtp_server):
    smtp_server.always(Step.RCPT, "550 5.1.1 no such user")
    settings = settings.model_copy(
        update={"alarm_to": ("ops@example.org",), "alarm_smtp_url": SecretStr(smtp_server.url)}
    )
    with structlog.testing.capture_logs() as logs:
        Watch(settings).look(datetime.now(UTC))
    assert logs[-1] | {"event": "", "log_level": ""} == {
        "event": "",
        "log_level": "",
        "channel": "email",
        "problem": "550 5.1.1 no such user",
    }
    assert receiver.headlines == [("no-scheduler", "", False)]


@ON_SQLITE
@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import sys; open(sys.argv[1], 'w').write(sys.stdin.read())", ""),
        ("import sys; sys.exit('no\\nnetwork')", "exit code 1: no network"),
    ],
)
def test_a_command_gets_the_alarm_on_its_standard_input(engine, settings, tmp_path, code, problem):
    file = tmp_path / "an alarm"
    command = f'{sys.executable} -c "{code}" "{file}"'
    with structlog.testing.capture_logs() as logs:
        Watch(settings.model_copy(update={"alarm_command": command, "alarm_webhook_url": SecretStr("")})).look(
            datetime.now(UTC)
        )
    assert [entry["problem"] for entry in logs if entry.get("channel")] == ([problem] if problem else [])
    if not problem:
        assert json.loads(file.read_text())["alarms"][0]["name"] == "no-scheduler"


# --- without a database that can be written ---


def test_without_a_database_one_process_of_the_machine_announces_that_and_its_end_is_announced(
    engine, settings, receiver, database_url
):
    now = datetime.now(UTC)
    watches = [Watch(settings) for _ in range(2)]
    for watch in watches:
        starts(engine)
        watch.look(now)
        watch._engine = connect("postgresql://nobody@127.0.0.1:9/none", patience=1)
        watch.look(now + timedelta(seconds=20))
        watch.look(now + timedelta(seconds=40))
    assert receiver.headlines == [("database", "", False)]
    for watch in watches:
        watch._engine = connect(database_url)
        for seconds in (60, 125, 140):
            starts(engine)
            watch.look(now + timedelta(seconds=seconds))
    assert receiver.headlines == [("database", "", False), ("database", "", True)]


@ON_SQLITE
def test_a_database_that_can_only_be_read_keeps_back_no_alarm(engine, settings, receiver, database_url):
    watch = Watch(settings)
    file = database_url.removeprefix("sqlite:///")
    watch._engine = connect(f"sqlite:///file:{file}?mode=ro&immutable=1&uri=true")
    watch.look(datetime.now(UTC))
    watch.look(datetime.now(UTC))
    assert receiver.headlines == [("no-scheduler", "", False)]


# --- the monitor outside ---


def test_the_monitor_is_called_while_nothing_is_critical(engine, settings, receiver):
    settings = settings.model_copy(update={"ping_url": SecretStr(receiver.url)})
    now = datetime.now(UTC)
    watch = Watch(settings, pings=True)
    watch.look(now)
    assert receiver.called == 0
    starts(engine)
    pause_by_hand(engine, EVERYTHING, "a test", now)
    watch.look(now)
    watch.look(now)  # not each time
    Watch(settings).look(now)  # not by each process
    assert receiver.called == 1
    resume(engine, EVERYTHING, now)
