"""A replay uses nothing from the future, explains each day without an issue, and sends the best of real weeks."""

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from typer.testing import CliRunner

from digest.cli.main import app
from digest.papers.backtest import ReplayedDay, ReplayOutcome, Rules, outcome, read_folder, replay
from digest.papers.paper import Paper, RankedPaper
from digest.papers.ranking import RankingWeights
from digest.papers.score_terms import ScoreTerms

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
RULES = Rules(RankingWeights(), 7, 3)


def record(number: int, at: datetime, upvotes: int, src: str = "api-snapshot", **more: object) -> dict[str, object]:
    seen = {"id": f"2603.{number:05}", "observed_at": at.isoformat(), "upvotes": upvotes, "src": src}
    return seen | ({"list_date": str(at.date())} if src == "api-snapshot" else {}) | more


def write(folder, name, records):
    with gzip.open(folder / name, "wt") as file:
        file.writelines(one if isinstance(one, str) else json.dumps(one) + "\n" for one in records)


@pytest.fixture
def folder(tmp_path):
    """Four list days from Monday on with six papers each, each seen again at the next midnight; Friday has no list."""
    votes, papers = [], []
    for day in range(4):
        at = MONDAY + timedelta(days=day)
        for number in range(day * 10, day * 10 + 6):
            papers.append(record(number, at, number % 10, title=f"Paper {number}", date=str(at.date())))
            votes.append(record(number, at, number % 10))
            votes.append(record(number, at + timedelta(hours=16), 3 * (number % 10), src="page-daily"))
    write(tmp_path, "daily_papers.jsonl.gz", papers)
    write(tmp_path, "votes.jsonl.gz", votes)
    return tmp_path


def days(folder, last=date(2026, 3, 8)):
    return list(replay(read_folder(folder), RULES, MONDAY.date(), last))


def test_one_issue_a_list_day_at_its_reading_and_a_reason_on_every_other(folder):
    replayed = days(folder)
    assert [day.cut_at for day in replayed[:4]] == [MONDAY + timedelta(days=day) for day in range(4)]
    assert [day.reason for day in replayed] == [
        *[""] * 4,
        "no list was recorded",
        *["no lists are made on weekends"] * 2,
    ]


def test_no_paper_is_sent_twice_and_none_before_it_was_seen(folder):
    recorded = read_folder(folder)
    sent = [(one.paper.id, day.cut_at) for day in days(folder) for one in day.sent]
    assert len(sent) == len(dict(sent)) == 12
    assert all(recorded.first_seen[paper_id] <= at for paper_id, at in sent)


def test_what_was_observed_later_changes_no_earlier_issue(folder):
    before = days(folder, date(2026, 3, 3))
    later = MONDAY + timedelta(days=1, hours=1)
    with gzip.open(folder / "votes.jsonl.gz", "at") as file:
        for number in (0, 1, 10, 77):
            file.write(json.dumps(record(number, later, 900, src="page-daily")) + "\n")
    with gzip.open(folder / "daily_papers.jsonl.gz", "at") as file:
        file.write(json.dumps(record(0, later, 901, date="2026-03-03", githubStars=5000)) + "\n")
    assert days(folder, date(2026, 3, 3)) == before


def test_each_record_that_cannot_be_read_is_counted_with_its_place(folder):
    bad = ["not json\n", "[1]\n", json.dumps({"id": "x"}) + "\n", json.dumps(record(1, MONDAY, -4)) + "\n", "[" * 9000]
    with gzip.open(folder / "votes.jsonl.gz", "at") as file:
        file.writelines(bad)
    recorded = read_folder(folder)
    assert len(recorded.unreadable) == 5
    assert recorded.unreadable[0] == "votes.jsonl.gz line 49: it is not JSON"


def test_a_file_that_breaks_off_gives_what_stands_before(folder):
    whole = (folder / "votes.jsonl.gz").read_bytes()
    (folder / "votes.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (problem,) = [one for one in read_folder(folder).unreadable if "breaks off" in one]
    assert problem.startswith("votes.jsonl.gz breaks off after line")


def test_a_list_that_was_read_on_a_later_day_has_its_reason(folder):
    late = record(50, MONDAY + timedelta(days=5), 3, list_date="2026-03-06")
    with gzip.open(folder / "votes.jsonl.gz", "at") as file:
        file.write(json.dumps(late) + "\n")
    assert days(folder)[4].reason == "its list was first read on 2026-03-07"


def test_every_day_has_an_issue_at_the_hour_of_the_last_list_while_papers_are_left(folder):
    """Of 24 papers three are sent a day; on the last day one of Monday's has left the pool, after seven days."""
    replayed = list(replay(read_folder(folder), replace(RULES, every_day=True), MONDAY.date(), date(2026, 3, 9)))
    assert [day.cut_at for day in replayed] == [MONDAY + timedelta(days=day) for day in range(8)]
    assert [len(day.sent) for day in replayed] == [3, 3, 3, 3, 3, 3, 3, 2]
    assert len({row.paper.id for day in replayed for row in day.sent}) == 23


def test_a_floor_leaves_papers_out_and_an_issue_of_fewer_than_three_waits(folder):
    first = days(folder)[0].sent
    between = (first[1].score + first[2].score) / 2
    low, high = (
        list(replay(read_folder(folder), replace(RULES, floor=floor), MONDAY.date(), MONDAY.date()))
        for floor in (first[2].score, between)
    )
    assert low[0].sent == first
    assert (high[0].sent, high[0].reason) == ((), "fewer than 3 papers were worth sending")


def test_an_outcome_counts_the_best_of_each_week_their_delay_and_the_rest(tmp_path):
    """Sixty papers on Monday; the best was not sent, the next was a day late, and the last was not worth sending."""
    papers = [record(number, MONDAY, 100 - number) for number in range(60)]
    write(tmp_path, "daily_papers.jsonl.gz", [paper | {"title": "T", "date": "2026-03-02"} for paper in papers])
    write(tmp_path, "votes.jsonl.gz", papers)

    def day(number, *sent):
        at = MONDAY + timedelta(days=number)
        ranked = [RankedPaper(1, Paper(f"2603.{paper:05}", "T"), 0, ScoreTerms()) for paper in sent]
        return ReplayedDay(at.date(), at, tuple(ranked), "")

    replayed = [day(0, 2, 3, 59), day(1, 1), *map(day, range(2, 7))]
    assert outcome(read_folder(tmp_path), replayed) == ReplayOutcome(1, 3 / 25, 8, 4, 3, 3 / 4, None, None)
    assert outcome(read_folder(tmp_path), replayed[1:]).recall is None


def test_standard_errors_come_from_the_differences_between_weeks(tmp_path):
    """Of two weeks' best ten and fifteen of 25 were sent, after 24 and 48 hours; 60 papers a week."""
    monday = [MONDAY, MONDAY + timedelta(days=7)]
    papers = [record(60 * week + number, at, 100 - number) for week, at in enumerate(monday) for number in range(60)]
    write(tmp_path, "daily_papers.jsonl.gz", [paper | {"title": "T", "date": "2026-03-02"} for paper in papers])
    write(tmp_path, "votes.jsonl.gz", papers)

    def day(number):
        at = MONDAY + timedelta(days=number)
        sent = {1: range(10), 9: range(60, 75)}.get(number, ())
        ranked = [RankedPaper(1, Paper(f"2603.{paper:05}", "T"), 0, ScoreTerms()) for paper in sent]
        return ReplayedDay(at.date(), at, tuple(ranked), "")

    found = outcome(read_folder(tmp_path), [day(number) for number in range(14)])
    assert (found.weeks, found.recall, found.delay_hours) == (2, 0.5, (10 * 24 + 15 * 48) / 25)
    assert found.recall_error == pytest.approx(0.1)  # half of the difference between 0.4 and 0.6
    # Residuals of the two weeks are 10 · (24 - 38.4) = -144 and 144: √(2 · 144² · 2 / 1) / 25.
    assert found.delay_error == pytest.approx(11.52)


def run(*arguments):
    return CliRunner().invoke(app, ["backtest", *map(str, arguments)])


def test_the_command_writes_what_was_sent_and_sums_up(folder, tmp_path):
    output = tmp_path / "sent.jsonl"
    done = run("--data", folder, "--per-day", 2, "--output", output, "--json")
    summary = json.loads(done.stdout)
    assert (summary["every_day"], summary["floor"]) == (False, None)
    assert summary["outcome"]["papers_a_week"] == 14.0
    assert (summary["issues"], summary["papers"], summary["unreadable"]) == (4, 8, 0)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(lines) == 8
    assert lines[0]["sent_at"] == MONDAY.isoformat()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--from", "last week"), "2026-11-23"),
        (("--from", "2026-03-09", "--to", "2026-03-02"), "is after"),
        (("--weight", "gravity=1"), "waiting"),
        (("--weight", "waiting=much"), "waiting=0.02"),
    ],
)
def test_a_wrong_option_is_a_usage_error_that_says_what_to_write(folder, wrong, message):
    done = run("--data", folder, *wrong)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_folder_without_the_files_is_named(tmp_path):
    done = run("--data", tmp_path)
    assert done.exit_code == 2
    assert "daily_papers.jsonl.gz" in done.stderr


def test_a_folder_that_holds_no_list_fails_in_words(tmp_path):
    for name in ("daily_papers.jsonl.gz", "votes.jsonl.gz"):
        write(tmp_path, name, ["nonsense\n"])
    done = run("--data", tmp_path)
    assert done.exit_code == 1
    assert "not JSON" in done.stderr


@pytest.mark.long
def test_the_best_of_real_weeks_arrive_and_arrive_soon(shared_data, tmp_path):
    """In three months that the constants were not fitted on; benchmarks/ranking_curve.py scores all."""
    sent, votes = tmp_path / "sent.jsonl", shared_data / "hf" / "votes.jsonl.gz"
    assert run("--data", shared_data / "hf", "--from", "2026-02-23", "--output", sent).exit_code == 0
    tool = shared_data.parent / "tools" / "weekly_best.py"
    command = [sys.executable, tool, votes, sent, "--from", "2026-03-01", "--to", "2026-05-31"]
    score = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert (score["repeats"], score["early"], score["off_schedule"]) == (0, 0, 0)
    assert score["recall_at_25"] >= 0.965
    assert score["mean_delay_hours"] <= 5.0
