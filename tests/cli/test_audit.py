"""digest audit: totals, rows, and progress while an issue is sent."""

import json
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from digest.cli import audit as audit_command
from digest.cli.output import NotReady
from digest.database.engine import transaction
from digest.database.tables import deliveries
from digest.issues.publish import halt
from digest.ledger.kinds import IssueStatus, SkipReason
from digest.mail.pauses import EVERYTHING, Pause, set_pause
from digest.mail.throttle.warm_up import reserve
from digest.settings import settings
from tests.cli.conftest import DATE
from tests.support.language_model import model_server
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, change_deliveries, cut

KEYS = [
    "issue", "candidates", "accepted", "refused", "expired", "quarantined", "uncertain", "queued", "deferred",
    "claimed", "sending", "skipped", "status", "not_queued", "unexplained", "nothing_sent", "changed", "withdrawn_at",
    "rate", "summaries",
]  # fmt: skip


@pytest.fixture
def three(engine):
    """An issue for three readers."""
    add_papers(engine, range(3))
    for number in range(3):
        add_subscriber(engine, f"reader{number}@example.com")
    return cut(engine)


def change(engine, at_most=9, **values):
    with transaction(engine) as connection:
        waiting = select(deliveries.c.id).where(deliveries.c.state != "accepted").limit(at_most)
        change_deliveries(connection, deliveries.c.id.in_(waiting), **values)


def test_audit_fails_when_the_sums_do_not_add_up(run, issue, engine):
    assert run("audit", "--issue", DATE).exit_code == 0
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM deliveries")
    broken = run("audit", "--issue", DATE, "--json")
    assert (broken.exit_code, json.loads(broken.stdout)["unexplained"]) == (1, 1)


def test_publishing_has_summaries_written_and_the_audit_says_how_many_are_missing(run, engine, monkeypatch):
    add_papers(engine, range(3))
    with model_server() as model:
        monkeypatch.setenv("DIGEST_LLM_URL", model.url)
        monkeypatch.setenv("DIGEST_LLM_MODEL", "tiny-1")
        monkeypatch.setenv("DIGEST_LLM_MONTHLY_REQUESTS", "2")
        settings.cache_clear()
        assert run("publish", "--date", DATE, "--as-of", MORNING.isoformat()).exit_code == 0
    audited = run("audit", "--issue", DATE)
    assert "Summaries by tiny-1: 2 of 3; 1 missing: the 2 requests of this month are used up." in audited.stdout
    document = json.loads(run("audit", "--issue", DATE, "--json").stdout)["summaries"]
    assert (document["model"], document["written"], document["missing"]) == ("tiny-1", 2, 1)


def test_the_document_has_the_agreed_keys_and_rows_only_when_asked(run, three):
    assert list(json.loads(run("audit", "--issue", DATE, "--json").stdout)) == KEYS
    asked = json.loads(run("audit", "--issue", DATE, "--rows", "--json").stdout)
    assert asked.keys() == {*KEYS, "rows"}
    assert len(asked["rows"]) == 3
    assert list(asked["rows"][0]) == ["id", "kind", "recipient", "address", "state", "why", "occasion"]


def test_a_day_with_too_few_papers_is_named_in_the_sums_and_explained_for_each_subscriber(run, three, engine):
    explain = ("explain", "--issue", DATE, "--subscriber", "reader0@example.com")
    assert isinstance(run(*explain).exception, NotReady)
    change(engine, state="skipped", reason=SkipReason.TOO_FEW)
    assert "      3 skipped: too few papers\n" in run("audit", "--issue", DATE).stdout
    assert run("audit", "--issue", DATE, "--rows").stdout.count("too few papers were worth an email") == 3
    done, document = run(*explain), json.loads(run(*explain, "--json").stdout)
    assert "There is no list for reader0@example.com on 2026-03-04: too few papers were worth" in done.stdout
    assert (done.exit_code, document["state"], document["why"] in " ".join(done.stdout.split())) == (0, "skipped", True)


def test_a_paused_issue_says_so_and_how_to_go_on(run, three):
    run("pause", "--date", DATE)
    shown = run("audit", "--issue", DATE).stdout
    assert "Issue of 2026-03-04 (paused): 3" in shown
    assert "digest resume --date 2026-03-04" in shown


def test_what_was_never_tried_is_queued_not_deferred(run, three, engine):
    change(engine, reply_text="connecting: refused")
    counts = json.loads(run("audit", "--issue", DATE, "--json").stdout)
    assert (counts["queued"], counts["deferred"]) == (3, 0)


def test_who_was_suppressed_before_the_cut_has_a_line(run, engine):
    add_papers(engine, range(3))
    for name in ("ada", "bob"):
        add_subscriber(engine, f"{name}@example.com")
    run("suppressions", "add", "bob@example.com")
    cut(engine)
    assert "1 not queued, and not among the 1: suppressed" in run("audit", "--issue", DATE).stdout


def test_rows_are_shown_in_words_and_page_by_page(run, three, engine):
    change(engine, 1, state="refused", reply_code=550, reply_text="5.1.1 No such user")
    shown = run("audit", "--issue", DATE, "--rows").stdout
    assert "the server said 550 5.1.1 No such user" in shown
    assert shown.count("due 2026-03-04 07:00 UTC") == 2
    first = json.loads(run("audit", "--rows", "--limit", 1, "--json").stdout)[0]["rows"]
    rest = json.loads(run("audit", "--rows", "--offset", 1, "--json").stdout)[0]["rows"]
    assert ([row["state"] for row in first], len(rest)) == (["refused"], 2)


def test_an_issue_that_is_done_is_watched_for_one_line(run, three, engine):
    change(engine, state="accepted", finished_at=MORNING)
    done = run("audit", "--issue", DATE, "--watch", "--json")
    assert done.stderr.splitlines() == ["3/3 accepted · 0 messages/s · done"]
    assert json.loads(done.stdout)["accepted"] == 3


def test_watching_counts_what_the_server_took_until_nothing_waits(run, three, engine, monkeypatch):
    monkeypatch.setattr(audit_command.time, "sleep", lambda _seconds: steps.pop(0)())
    steps = [
        lambda: change(engine, 2, state="accepted", finished_at=MORNING),
        lambda: change(engine, 1, attempts=1, reply_code=451, reply_text="4.7.1 later"),
        lambda: change(engine, 1, state="uncertain"),
        lambda: change(engine, 1, state="refused"),
    ]
    lines = run("audit", "--issue", DATE, "--watch").stderr.splitlines()
    assert [line.split(" · ")[0] for line in lines] == ["0/3 accepted", *["2/3 accepted"] * 4]
    assert lines[0].endswith("3 to come")
    assert [line.split(" · ")[2] for line in lines[2:]] == ["1 deferred", "1 in doubt", "1 refused"]
    assert "the last about" in lines[1]
    assert lines[-1].endswith("done")


def test_watching_says_why_nothing_moves(run, three, engine, monkeypatch):
    def pause_all():
        with transaction(engine) as connection:
            set_pause(connection, Pause(EVERYTHING, MORNING, None, "550 5.7.1 policy"))

    monkeypatch.setattr(audit_command.time, "sleep", lambda _seconds: steps.pop(0)())
    steps = [
        lambda: halt(engine, DAY, IssueStatus.PAUSED, MORNING),
        pause_all,
        lambda: change(engine, state="accepted", finished_at=MORNING),
    ]
    lines = run("audit", "--issue", DATE, "--watch").stderr.splitlines()
    assert lines[1].endswith("the issue is paused")
    assert lines[2].endswith("all sending is paused since 2026-03-04 06:00 UTC: 550 5.7.1 policy")
    assert lines[3].endswith("done")


def test_watching_shows_each_second_what_happened_meanwhile(run, three, engine):
    later = threading.Timer(0.5, change, [engine], {"state": "accepted", "finished_at": MORNING})
    later.start()
    started = time.monotonic()
    lines = run("audit", "--issue", DATE, "--watch").stderr.splitlines()
    later.join()
    counts = [line.split(" · ")[0] for line in lines]
    assert list(dict.fromkeys(counts)) == ["0/3 accepted", "3/3 accepted"]
    assert 1 <= time.monotonic() - started < 5


def test_what_a_warm_up_holds_is_told_with_its_reason(run, three, engine, monkeypatch, clock):
    clock.move_to(MORNING + timedelta(hours=2))
    monkeypatch.setenv("DIGEST_WARM_UP_FROM", DATE)
    monkeypatch.setenv("DIGEST_WARM_UP_FIRST_DAY", "10")
    settings.cache_clear()
    with transaction(engine) as connection:
        reserve(connection, DAY, 10, 10)
    held = "the 10 messages of this day of the warm-up are sent; it goes on at 2026-03-05 00:00 UTC"
    assert f"nothing is sent: {held}" in run("audit", "--issue", DATE).stdout
    monkeypatch.setattr(audit_command.time, "sleep", lambda _seconds: change(engine, state="accepted"))
    assert run("audit", "--issue", DATE, "--watch").stderr.splitlines()[0].endswith(held)


def test_the_left_over_of_a_warm_up_says_that_it_goes_after_todays_issue(run, three, monkeypatch, clock):
    clock.move_to(MORNING + timedelta(days=1, hours=-3))
    monkeypatch.setenv("DIGEST_WARM_UP_FROM", DATE)
    settings.cache_clear()
    assert "left over in the warm-up: it goes after the issue of 2026-03-05" in run("audit", "--issue", DATE).stdout


def test_whom_a_cut_left_out_is_kept_with_the_issue_whatever_becomes_of_the_events(run, engine):
    add_papers(engine, range(3))
    for name in ("ada", "bob"):
        add_subscriber(engine, f"{name}@example.com")
    run("suppressions", "add", "bob@example.com")
    cut(engine)
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM events")
    assert json.loads(run("audit", "--issue", DATE, "--json").stdout)["not_queued"] == {"suppressed": 1}
