"""The questions of an operator, each asked of one command, about an issue that was cut and partly sent."""

import json
import os
import re
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from digest.cli.output import WIDTH, columns_of
from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, events, issues, subscribers
from tests.support.morning import LONG, NOW, make_morning
from tests.support.scenario import DAY, MORNING, ON_SQLITE, SECRET, add_papers, add_subscriber, cut

PRINTED_BY_PROGRAMS = re.compile(r"\bNone\b|\b[A-Z]\w+\.[A-Z_]{2,}\b|<\w+ object|\('|\[\]|\{'")

pytestmark = ON_SQLITE


@pytest.fixture
def run(command, engine, database_url, smtp_server, tmp_path, clock):
    """Asks a command about the installation of tests/support/morning.py, on its morning."""
    options = {"DIGEST_DATABASE_URL": database_url, "DIGEST_SECRET_KEY": SECRET.decode(), "DIGEST_OPERATOR": "ada"}
    options["DIGEST_SOURCES"] = "arxiv"
    make_morning(engine, smtp_server, tmp_path / "journal")
    clock.move_to(NOW)
    return lambda *arguments: command(*arguments, **options)


QUESTIONS = {
    "who did not get today's issue, and why": (
        ("audit", "--date", "today", "--rows"),
        [LONG[:20], "550 5.1.1 no such user", "slow@example.com", "deferred once, next attempt", "2 accepted"],
    ),
    "did someone get it, and what was in it": (
        ("subscribers", "show", "ada@example.com"),
        ["ada@example.com: confirmed", "250 2.0.0", "A paper about graphs", "the issue of 2026-03-05, due 2026-03-05"],
    ),
    "why did someone get nothing": (
        ("subscribers", "show", "blocked@example.com"),
        [
            "suppressed since 2026-03-04 08:00 UTC: operator, asked by phone.",
            "next digest: none; the address is suppressed",
        ],
    ),
    "why was nothing sent yesterday": (
        ("audit", "--date", "yesterday"),
        ["No issue of 2026-03-03 was cut: no source could be read: arxiv", "export.arxiv.org answered 503"],
    ),
    "what is being retried": (("audit", "--state", "deferred"), ["slow@example.com", "451 4.7.1 try again later"]),
    "what is stuck": (("audit", "--state", "stuck"), ["broken@example.com", "it cannot be composed; digest retry"]),
    "what bounced": (("audit", "--state", "refused", "--since", "yesterday"), [LONG[:20], "no such user here"]),
    "what bounced, in sums": (
        ("bounces",),
        ["1 5.1.1", "addresses suppressed for it: 1", "1 other", "550 5.1.1 no such user here"],
    ),
    "what was sent on each day": (
        ("days",),
        [
            "2026-03-04 daily 6 2 1 0 2 1",
            "2026-03-03 none no source could be read: arxiv 2026-03-03 06:05 UTC",
            "2026-03-02 daily 0",
        ],
    ),
    "how do domains reply": (
        ("domains",),
        ["domain subscribers accepted later refused no reply sending", "example.com 8 0 0 0 0 no limit"],
    ),
    "who was suppressed, and why": (
        ("suppressions", "list"),
        ["blocked@example.com", "asked by phone", "operator", "2026-03-04", LONG[:20], "refused"],
    ),
    "how many subscribers over time": (
        ("subscribers", "count", "--by", "day", "--since", "2026-03-01"),
        ["2026-03-01 0 10 0 10 █", "2026-03-04 0 0 0 9 █", "1 left because: too many", "9 confirmed"],
    ),
    "what goes out tomorrow, to how many": (
        ("upcoming",),
        ["The issue of 2026-03-05 is cut at 2026-03-05 06:00 UTC", "5 subscribers get an email", "A paper about"],
    ),
    "how fast is it": (
        ("audit", "--date", "today"),
        ["2 accepted", "from 2026-03-04 08:00:00 to 2026-03-04 08:00:04 UTC; 0.2 messages/s"],
    ),
}


OTHERS = [
    ("subscribers", "list"),
    ("doctor",),
    ("explain", "--date", "today"),
    ("explain", "--date", "today", "--subscriber", "ada@example.com"),
    ("search", "graphs"),
    ("search", "--like", "2603.00000"),
    ("publish", "--date", "tomorrow", "--dry-run"),
    ("audit", "--rows"),
]


def test_no_line_of_any_answer_is_too_wide_or_printed_as_programs_do(run):
    for arguments in OTHERS:
        done = run(*arguments)
        assert done.stdout, (arguments, done.stderr)
        assert max(map(columns_of, done.stdout.splitlines())) <= WIDTH, (arguments, done.stdout)
        assert not PRINTED_BY_PROGRAMS.search(done.stdout), (arguments, done.stdout)


def test_each_question_has_its_command(run):
    for question, (arguments, answers) in QUESTIONS.items():
        done = run(*arguments)
        text = " ".join(done.stdout.split())
        assert done.returncode in (0, 3), (question, done.stderr)
        for expected in answers:
            assert expected in text, (question, expected, done.stdout)
        assert not PRINTED_BY_PROGRAMS.search(done.stdout), (question, done.stdout)
        assert max(map(columns_of, done.stdout.splitlines())) <= WIDTH, (question, done.stdout)
        document = run(*arguments, "--json").stdout
        assert json.loads(document)
        assert LONG in document or LONG[:20] not in answers, "programs get every value whole"


def test_who_paused_this(run):
    run("pause", "--date", "today", "--reason", "a typo in the title")
    text = run("audit", "--date", "today").stdout
    assert re.search(r"^Paused by ada since 2026-03-04 08:\d\d UTC: a typo in the title\.$", text, re.MULTILINE)
    changed = json.loads(run("audit", "--date", "today", "--json").stdout)["changed"]
    assert (changed["what"], changed["by"], changed["reason"]) == ("paused", "ada", "a typo in the title")


def test_asking_what_comes_next_stores_nothing(run, engine):
    def stored():
        with read_only(engine) as connection:
            return [connection.execute(select(table)).all() for table in (issues, deliveries, events)]

    before = stored()
    coming = json.loads(run("upcoming", "--json").stdout)
    assert stored() == before
    assert (coming["issue"], coming["subscribers"]) == ("2026-03-05", 5)
    assert coming["left_out"] == {"suppressed": 2, "paused by the subscriber": 1}
    assert len(coming["papers"]) == 15


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"confirmed": "unsubscribed"}, "there was no confirmed subscriber at the cut"),
        ({"weekdays": 32}, "none of 1 confirmed subscribers was due: all of them chose other weekdays"),
        ({"paused_until": date(2026, 6, 1)}, "was due: 1 paused by the subscriber; the others chose other weekdays"),
    ],
)
def test_an_issue_for_nobody_says_why(command, engine, database_url, changes, why):
    add_papers(engine, range(3))
    ada = add_subscriber(engine, "ada@example.com")
    values = {"status": "unsubscribed"} if "confirmed" in changes else changes
    with transaction(engine) as connection:
        connection.execute(update(subscribers).where(subscribers.c.id == ada.id).values(values))
    cut(engine)
    done = command("audit", "--date", DAY.isoformat(), DIGEST_DATABASE_URL=database_url)
    assert why in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("day", "at", "why"),
    [
        ("tomorrow", NOW, "it is cut on 2026-03-05 at 06:00 UTC"),
        ("2026-03-01", NOW, "the first issue is of 2026-03-04"),
        ("2026-03-05", NOW + timedelta(days=1), "no source was read in the day before the cut at 06:00 UTC"),
    ],
)
def test_a_day_without_an_issue_says_why(command, engine, database_url, clock, day, at, why):
    add_papers(engine, range(3))
    cut(engine)
    clock.move_to(at)
    done = command("audit", "--date", day, DIGEST_DATABASE_URL=database_url, DIGEST_SOURCES="arxiv")
    assert (done.returncode, why in " ".join(done.stdout.split())) == (3, True), done.stdout


def test_a_deleted_person_is_still_found_by_their_address(run):
    run("subscribers", "erase", "ada@example.com")
    text = run("subscribers", "show", "ada@example.com").stdout
    assert "ada@example.com: not stored (deleted, or never signed up)" in text
    assert "accepted" in text
    nobody = run("subscribers", "show", "stranger@example.com")
    assert (nobody.returncode, nobody.stdout) == (3, "")


def test_a_long_list_is_printed_as_it_is_read(command, engine, database_url):
    ada = add_subscriber(engine, "ada@example.com")
    with transaction(engine) as connection:
        row = dict(connection.execute(select(subscribers).where(subscribers.c.id == ada.id)).mappings().one())
        del row["id"]
        rows = [row | {"email": f"subscriber{n}@example.com", "key": f"{n:032}"} for n in range(1200)]
        connection.execute(insert(subscribers), rows)
    listed = command("subscribers", "list", DIGEST_DATABASE_URL=database_url).stdout.splitlines()
    assert len(listed) == 1202
    assert {len(line) for line in listed[2:]} <= set(range(WIDTH + 1))
    documents = json.loads(command("subscribers", "list", "--json", DIGEST_DATABASE_URL=database_url).stdout)
    assert [one["email"] for one in documents][:2] == ["ada@example.com", "subscriber0@example.com"]
    assert len(documents) == 1201
    exported = json.loads(command("subscribers", "export", "--json", DIGEST_DATABASE_URL=database_url).stdout)
    assert (len(exported), exported[0]["email"], exported[0]["status"]) == (1201, "ada@example.com", "confirmed")


def test_a_reader_of_a_list_may_stop_before_its_end(engine, database_url):
    digest = [Path(sys.executable).with_name("digest"), "subscribers", "list", "--json"]
    add_subscriber(engine, "ada@example.com")
    environment = {**os.environ, "DIGEST_DATABASE_URL": database_url}
    with subprocess.Popen(digest, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as listing:
        assert listing.stdout is not None
        listing.stdout.close()
        assert listing.stderr is not None
        assert (listing.stderr.read(), listing.wait()) == (b"", 1)


def test_people_are_counted_by_week_and_month(command, engine, database_url, clock):
    for at in (datetime(2026, 1, 31, 23, tzinfo=MORNING.tzinfo), datetime(2026, 2, 1, 1, tzinfo=MORNING.tzinfo)):
        add_subscriber(engine, f"{at:%d}@example.com", confirmed_at=at)
    with transaction(engine) as connection:
        connection.execute(update(subscribers).values(created_at=subscribers.c.confirmed_at))
    clock.move_to(MORNING)
    options = ("subscribers", "count", "--since", "2026-01-15", "--json")
    monthly = json.loads(command(*options, "--by", "month", DIGEST_DATABASE_URL=database_url).stdout)
    assert [(row["first"], row["signed_up"], row["total"]) for row in monthly["rows"]] == [
        ("2026-01-01", 1, 1), ("2026-02-01", 1, 2), ("2026-03-01", 0, 2)
    ]  # fmt: skip
    weekly = json.loads(command(*options, "--by", "week", DIGEST_DATABASE_URL=database_url).stdout)
    assert [row["confirmed"] for row in weekly["rows"]] == [0, 0, 2, 0, 0, 0, 0, 0]
    assert weekly["rows"][0]["first"] == "2026-01-12"
