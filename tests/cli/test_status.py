"""digest status and digest check: what people and monitoring read."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from digest.cli.output import WIDTH
from digest.database.engine import transaction
from digest.issues.publish import halt
from digest.ledger import events
from digest.ledger.kinds import IssueStatus
from digest.mail.pauses import pause_by_hand
from digest.monitoring.heartbeats import ProcessName, Role, beat
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.settings import settings
from tests.support.scenario import DAY, MORNING, add_subscriber
from tests.support.scenario import cut as cut_issue

NOON = MORNING + timedelta(hours=6)


@pytest.fixture
def running(engine, clock, monkeypatch):
    """An installation whose processes run, at noon."""
    clock.move_to(NOON + timedelta(seconds=20))  # a process may have started a moment before
    monkeypatch.setenv("DIGEST_CUT_AT", "06:00")
    monkeypatch.setenv("DIGEST_SOURCES", "arxiv")
    settings.cache_clear()
    for role, pid in ((Role.WORKER, 1), (Role.WORKER, 2), (Role.SCHEDULER, 3), (Role.WEB, 4)):
        detail = {"rate": 1.5, "idle_seconds": 1.0} if role is Role.WORKER else {}
        beat(engine, ProcessName(role, "mail1", pid), detail, is_first=True)
    with transaction(engine) as connection:
        run = SourceRun("arxiv", DAY, NOON - timedelta(minutes=3), SourceHealth.FRESH, 9, 0, (), "9 papers listed")
        record_run(connection, run)


def test_the_status_shows_what_runs_and_how_far_the_issue_is(run, issue, running, tmp_path):
    done = run("status")
    assert done.exit_code == 0
    lines = re.sub(r"seen \d+ s ago", "seen 1 s ago", done.stdout).splitlines()
    assert re.fullmatch(r"Digest \S+ at 2026-03-04 12:00:\d\d UTC: all is well", lines[0])
    assert lines[1:-1] == [
        "",
        "workers     2 on mail1 since 2026-03-04 12:00 UTC, seen 1 s ago",
        "scheduler   1 on mail1 since 2026-03-04 12:00 UTC, seen 1 s ago",
        "web         1 on mail1 since 2026-03-04 12:00 UTC, seen 1 s ago",
        "issue       2026-03-04, cut at 2026-03-04 06:00 UTC for 1 subscriber",
        "            0 accepted (0.0%) · 1 queued",
        "            1 to go, about 0 s",
        "next issue  is cut at 2026-03-05 06:00 UTC",
        "sending     not paused",
        "            3.0 messages a second were accepted in the last minute",
        "            1 message due, the oldest since 2026-03-04 07:00 UTC",
        "source      arXiv: fresh, read 3 min ago; 9 papers listed",
        "subscribers 0 pending, 1 confirmed, 0 unsubscribed",
        "Redis       not set here; digest up starts its own",
    ]
    assert re.fullmatch(rf"disk        \d+% of {tmp_path}/data is free, [\d.]+ GB", lines[-1])


def test_every_line_is_narrower_than_120_columns_and_names_no_enum(run, issue, running, engine):
    halt(engine, DAY, IssueStatus.PAUSED, NOON)
    pause_by_hand(engine, "*", "a reason that is as long as an operator may like to write it down " * 3, NOON)
    screen = run("status").stdout
    assert max(map(len, screen.splitlines())) < 120
    assert not re.search(r"[A-Z]\w+\.[A-Z]|\(\)|None|<|\('", screen)
    assert "all sending is paused by an operator since 2026-03-04 12:00 UTC, until it is resumed" in screen
    assert "→ digest resume --sending" in screen
    assert "paused since 2026-03-04 12:00 UTC" in screen


def test_before_the_cut_it_tells_when_the_next_issue_comes(run, running, clock):
    clock.move_to(MORNING - timedelta(minutes=5))
    assert "issue       today's is cut at 2026-03-04 06:00 UTC; there was none before" in run("status").stdout


def test_what_is_due_later_is_told(run, issue, running, clock):
    clock.move_to(MORNING + timedelta(minutes=5))
    screen = run("status").stdout
    assert "1 to go, about 55 min; the last is due at 2026-03-04 07:00 UTC" in screen
    assert "0 messages due; 1 due later" in screen


def test_why_there_is_no_issue_is_told(run, running, engine):
    with transaction(engine) as connection:
        events.record(connection, NOON, f"issue:{DAY}", "not cut", {"reason": "arxiv could not be read: no answer."})
    text = " ".join(run("status").stdout.split())
    assert (
        "today's was due at 2026-03-04 06:00 UTC and is not cut: there are no papers. arxiv could not be read" in text
    )


def test_the_document_has_all_of_it(run, issue, running):
    document = json.loads(run("status", "--json").stdout)
    assert document["problems"] == []
    assert [each["role"] for each in document["processes"]] == ["scheduler", "web", "worker", "worker"]
    assert all(each["alive"] for each in document["processes"])
    (progress,) = document["issues"]
    assert (progress["date"], progress["kind"], progress["queued"]) == ("2026-03-04", "daily", 1)
    assert document["cut"]["next_at"] == "2026-03-05T06:00:00+00:00"
    assert document["waiting"]["due_of_issues"] == 1
    assert document["rate"] == 3.0


def test_where_no_database_was_made_yet_the_status_says_how_to_make_it(run, monkeypatch, tmp_path):
    monkeypatch.setenv("DIGEST_DATABASE_URL", f"sqlite:///{tmp_path}/none.sqlite")
    settings.cache_clear()
    done = run("status")
    assert done.exit_code == 3
    assert "or run: digest migrate" in done.stdout


def test_without_a_database_the_status_tells_the_rest(run, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgresql://127.0.0.1:9/digest")
    settings.cache_clear()
    done = run("status")
    assert done.exit_code == 3
    assert "the database cannot be used" in done.stdout
    assert "disk " in done.stdout


# --- digest check ---


def test_all_is_well(run, issue, running):
    done = run("check")
    assert (done.exit_code, done.stdout) == (
        0,
        "OK: everything is running; 0 of 1 messages of the issue of 2026-03-04 are accepted\n",
    )
    assert json.loads(run("check", "--json").stdout) == {
        "level": "ok",
        "exit_code": 0,
        "summary": "everything is running; 0 of 1 messages of the issue of 2026-03-04 are accepted",
        "problems": [],
    }


def test_a_warning_is_1_and_says_what_to_do(run, issue, running, engine):
    pause_by_hand(engine, "example.com", "new | server", NOON)
    done = run("check")
    text = "email to example.com is paused since 2026-03-04 12:00 UTC (new / server); 1 message is waiting"
    assert (done.exit_code, done.stdout.splitlines()) == (
        1,
        [f"WARNING: {text}", "  digest resume --sending --domain example.com"],
    )


def test_the_line_that_monitoring_reads_is_one_however_much_is_wrong(run, issue, running, engine):
    for number in range(4):
        pause_by_hand(engine, f"domain{number}.example", "a reason in many words, " * 4, NOON)
    pause_by_hand(engine, "example.com", "the last", NOON)
    first, second, *_others = run("check").stdout.splitlines()
    assert (first.startswith("WARNING: email to "), first.endswith("…"), len(first) <= WIDTH) == (True, True, True)
    assert second.startswith("WARNING: email to ")


def test_critical_is_2(run, engine, running):
    with transaction(engine) as connection:
        record_run(connection, SourceRun("arxiv", DAY, MORNING, SourceHealth.FRESH, 9, 0, (), "9 papers listed"))
    done = run("check")
    first, *details = done.stdout.splitlines()
    assert (done.exit_code, len(details)) == (2, 1)
    assert first == "CRITICAL: there is no issue of 2026-03-04, which was due at 2026-03-04 06:00 UTC"
    document = json.loads(run("check", "--json").stdout)
    assert (document["level"], document["problems"][0]["name"]) == ("critical", "no-issue")


def test_a_database_that_cannot_be_reached_is_critical(run, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgresql://127.0.0.1:9/digest")
    settings.cache_clear()
    done = run("check")
    assert done.exit_code == 2
    assert done.stdout.startswith("CRITICAL: the database cannot be used: ")


@pytest.mark.parametrize("mistake", [("check", "--colour"), ("check",)])
def test_what_keeps_it_from_checking_is_unknown(command, mistake, sqlite_url):
    wrong = {"DIGEST_CUT_AT": "noon"} if len(mistake) == 1 else {}
    done = command(*mistake, DIGEST_DATABASE_URL=sqlite_url, **wrong)
    assert done.returncode == 3
    assert done.stdout.startswith("UNKNOWN: ")
    assert command("status", DIGEST_CUT_AT="noon").returncode == 2, "other commands exit as before"


def test_the_issue_of_a_later_day_follows_the_clock(run, engine, issue, running, clock):
    """A day later nothing was cut, though the issue of yesterday is there."""
    add_subscriber(engine, "alan@example.com")
    clock.move_to(MORNING + timedelta(days=1, minutes=31))
    assert "there is no issue of 2026-03-05" in run("check").stdout
    cut_issue(engine, DAY + timedelta(days=1))
    assert "there is no issue" not in run("check").stdout
    assert datetime.now(UTC).date() != DAY
