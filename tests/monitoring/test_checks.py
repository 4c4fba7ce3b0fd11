"""The problems that follow from a status: each threshold at its edge, and what is not a problem."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from digest.ledger.kinds import FailureKind, IssueKind, IssueStatus
from digest.mail.suppression_guard import Freeze
from digest.monitoring.checks import Level, problems
from digest.monitoring.heartbeats import Heartbeat, Role
from digest.monitoring.late_bounces import BounceStatus, ReportCounts
from digest.monitoring.progress import IssueProgress, Waiting
from digest.monitoring.status import CutStatus, InstallationStatus
from digest.monitoring.surroundings import Disk, EndpointStatus, PauseStatus, QueueStatus, SourceStatus
from digest.papers.collecting import SourceHealth

NOW = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
DAY = date(2026, 3, 4)
CUT_AT = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def process(role, seen=timedelta(), host="mail1", started=HOUR, stopped=None):
    stopped_at = None if stopped is None else NOW - stopped
    return Heartbeat(role, host, 7, NOW - started, NOW - seen, stopped_at, "1.0", {})


def issue(**changes):
    progress = IssueProgress(1, DAY, IssueKind.DAILY, CUT_AT, IssueStatus.RUNNING, "", 1000, accepted=1000)
    return replace(progress, **changes)


def source(name, failures=0, **changes):
    outcome = SourceHealth.FAILING if failures else SourceHealth.FRESH
    since = NOW - failures * HOUR if failures else None
    return replace(SourceStatus(name, name, NOW - MINUTE, outcome, "no answer", "", failures, since, False), **changes)


def breaker(since, until=MINUTE):
    return PauseStatus("", NOW - since, NOW + until, "550 5.7.1 rejected", "", False, True)


WELL = InstallationStatus(
    NOW,
    "1.0",
    QueueStatus(True),
    (Disk("", "/var/lib/digest", 0.5, 10**11),),
    processes=tuple(map(process, Role)),
    cut=CutStatus(DAY, CUT_AT, CUT_AT + timedelta(days=1), True, DAY, "", None),
    issues=(issue(),),
    sources=(source("arxiv"), source("huggingface")),
    subscribers={"confirmed": 1000},
)
NOT_CUT = replace(WELL.cut, is_done=False, last_issue=DAY - timedelta(days=1))


def named(**changes):
    """Level and name of each problem of a healthy installation with these changes."""
    return [(str(problem.level), problem.name) for problem in problems(replace(WELL, **changes))]


def only(**changes):
    (problem,) = problems(replace(WELL, **changes))
    return problem


def test_a_healthy_installation_has_no_problem():
    assert problems(WELL) == []


# --- processes ---


@pytest.mark.parametrize("role", [Role.WORKER, Role.SCHEDULER])
def test_a_process_that_everything_needs_is_dead_after_45_seconds(role):
    def without(seen):
        return tuple(process(each, seen if each is role else timedelta()) for each in Role)

    assert named(processes=without(44 * SECOND)) == []
    problem = only(processes=without(45 * SECOND))
    assert (problem.level, problem.name, problem.since) == (Level.CRITICAL, f"no-{role}", NOW - 45 * SECOND)
    assert (problem.text, problem.remedy) == (
        f"no {role} is running; the last was seen at 2026-03-04 08:59 UTC",
        f"Start it: digest up, or digest {role}",
    )


@pytest.mark.parametrize("role", [Role.WORKER, Role.SCHEDULER])
def test_one_that_was_stopped_may_be_back_within_45_seconds(role):
    def stopped(ago):
        return tuple(process(each, stopped=ago if each is role else None) for each in Role)

    assert named(processes=stopped(44 * SECOND)) == []
    assert named(processes=stopped(45 * SECOND)) == [("critical", f"no-{role}")]


@pytest.mark.parametrize("role", [Role.WORKER, Role.SCHEDULER])
def test_a_restart_is_no_alarm_although_another_process_died_earlier(role):
    others = tuple(process(each) for each in Role if each is not role)
    died = process(role, HOUR, "mail2")
    assert named(processes=(*others, died, process(role, stopped=44 * SECOND))) == []
    assert named(processes=(*others, died, process(role, stopped=45 * SECOND))) == [("critical", f"no-{role}")]


@pytest.mark.parametrize("role", list(Role))
def test_of_several_a_dead_one_is_a_warning_that_names_its_machine(role):
    problem = only(processes=(*WELL.processes, process(role, 45 * SECOND, "mail2")))
    assert (problem.level, problem.name, problem.subject) == (Level.WARNING, f"{role}-dead", "mail2")
    assert "on mail2 ended without stopping" in problem.text


def test_a_stopped_process_is_no_problem_while_others_run():
    assert named(processes=(*WELL.processes, process(Role.WORKER, HOUR, "mail2", stopped=HOUR))) == []


def test_without_subscribers_and_messages_nobody_misses_a_worker():
    alone = (process(Role.SCHEDULER),)
    assert named(processes=alone, subscribers={"unsubscribed": 3}) == []
    assert named(processes=alone, subscribers={"pending": 1}) == [("critical", "no-worker")]
    assert named(processes=alone, subscribers={}, waiting=Waiting(due_requested=1)) == [("critical", "no-worker")]


# --- today's issue ---


@pytest.mark.parametrize(
    ("after", "expected"), [(-MINUTE, []), (30 * MINUTE - SECOND, []), (30 * MINUTE, ["no-issue"])]
)
def test_an_issue_is_missed_half_an_hour_after_its_cut(after, expected):
    state = replace(WELL, at=CUT_AT + after, processes=(), cut=NOT_CUT, issues=())
    assert [problem.name for problem in problems(state) if "issue" in problem.name] == expected


def test_that_there_is_no_issue_is_critical():
    problem = only(cut=NOT_CUT, issues=())
    assert (problem.level, problem.since) == (Level.CRITICAL, CUT_AT)
    assert problem.text == "there is no issue of 2026-03-04, which was due at 2026-03-04 06:00 UTC"


def test_the_first_issue_is_not_due_before_anything_was_read():
    fresh = replace(NOT_CUT, last_issue=None)
    assert named(cut=fresh, issues=()) == []
    assert named(cut=replace(fresh, first_reading_at=NOW - 30 * MINUTE + SECOND), issues=()) == []
    assert named(cut=replace(fresh, first_reading_at=NOW - 30 * MINUTE), issues=()) == [("critical", "no-issue")]


def test_a_date_without_papers_is_a_warning_that_says_why():
    problem = only(cut=replace(NOT_CUT, why_not="arxiv could not be read: no answer."), issues=())
    assert (problem.level, problem.name) == (Level.WARNING, "no-issue")
    assert problem.text == "there is no issue of 2026-03-04: there are no papers. arxiv could not be read: no answer"


@pytest.mark.parametrize(
    ("refused", "accepted", "is_problem"),
    [(20, 979, True), (20, 980, False), (19, 81, False), (20, 80, True), (0, 0, False)],
)
def test_more_than_two_percent_of_refusals_and_at_least_twenty_are_a_warning(refused, accepted, is_problem):
    expected = [("warning", "refusals")] if is_problem else []
    assert named(issues=(issue(refused=refused, accepted=accepted),)) == expected


def test_refusals_of_an_earlier_issue_are_not_told_again():
    assert named(issues=(issue(refused=500, accepted=500, date=DAY - timedelta(days=1)),)) == []


# --- sending ---


@pytest.mark.parametrize(("ago", "expected"), [(10 * MINUTE - SECOND, []), (10 * MINUTE, [("critical", "overdue")])])
@pytest.mark.parametrize("last", ["due", "worked", "resumed", "started"])
def test_messages_are_overdue_once_nobody_worked_on_them_for_ten_minutes(ago, expected, last):
    """Since they were due, a worker had work, a pause ended, or the scheduler started: whatever was last."""
    instants = dict.fromkeys(("due", "worked", "resumed", "started"), HOUR) | {last: ago}
    waiting = Waiting(due_of_issues=5, oldest_of_issues_at=NOW - instants["due"])
    processes = (process(Role.WORKER), process(Role.SCHEDULER, started=instants["started"]))
    times = {"worked_at": NOW - instants["worked"], "resumed_at": NOW - instants["resumed"]}
    assert named(waiting=waiting, processes=processes, **times) == expected


def test_overdue_messages_are_counted():
    waiting = Waiting(due_of_issues=1234, oldest_of_issues_at=NOW - HOUR)
    assert only(waiting=waiting).text == (
        "1,234 messages are overdue since 2026-03-04 08:00 UTC, and nobody works on them"
    )


def test_what_a_limit_or_a_pause_holds_back_is_not_overdue():
    waiting = Waiting(due_of_issues=5, oldest_of_issues_at=NOW - HOUR)
    asked = Waiting(due_requested=5, oldest_requested_at=NOW - HOUR)
    assert named(waiting=waiting, warm_up_full="the day is full") == []
    assert named(waiting=waiting, hour_full="the hour is full") == [("critical", "overdue")]
    assert named(waiting=asked, hour_full="the hour is full") == []
    assert named(waiting=asked, warm_up_full="the day is full") == [("critical", "overdue")]
    assert named(waiting=waiting, pauses=(breaker(MINUTE),)) == []


@pytest.mark.parametrize(("since", "expected"), [(5 * MINUTE - SECOND, []), (5 * MINUTE, [("critical", "breaker")])])
def test_a_breaker_is_critical_once_it_was_open_for_five_minutes(since, expected):
    assert named(pauses=(breaker(since),)) == expected


def test_a_breaker_that_waits_for_a_message_to_try_is_a_problem_while_there_is_one():
    waits = (breaker(HOUR, until=-MINUTE),)
    assert named(pauses=waits) == []
    assert named(pauses=waits, waiting=Waiting(later=1)) == [("critical", "breaker")]


def test_a_pause_by_an_operator_is_a_warning_while_messages_wait():
    def paused(domain, **waiting):
        pause = PauseStatus(domain, NOW - HOUR, None, "new server", "ada", True, False)
        return {"pauses": (pause,), "waiting": Waiting(**waiting)}

    assert named(**paused("")) == []
    problem = only(**paused("", later=2))
    assert (problem.level, problem.subject, problem.remedy) == (Level.WARNING, "", "digest resume --sending")
    assert problem.text == "sending is paused by ada since 2026-03-04 08:00 UTC (new server); 2 messages are waiting"
    assert only(**paused("gmail.com", later=1)).remedy == "digest resume --sending --domain gmail.com"


def test_a_paused_issue_is_a_warning_while_anything_of_it_waits():
    paused = issue(accepted=990, queued=10, status=IssueStatus.PAUSED, paused_at=NOW - HOUR, paused_by="ada")
    problem = only(issues=(paused,))
    assert (problem.level, problem.subject) == (Level.WARNING, "2026-03-04")
    assert problem.text == (
        "the issue of 2026-03-04 is paused by ada since 2026-03-04 08:00 UTC; 10 messages are waiting"
    )
    weekly = replace(paused, kind=IssueKind.WEEKLY)
    assert only(issues=(issue(), weekly)).remedy == "digest resume --date 2026-03-04 --kind weekly"
    assert named(issues=(replace(paused, queued=0, accepted=1000),)) == []


# --- what sending depends on ---


def test_one_failing_source_is_a_warning_and_all_are_critical_when_they_failed_twice():
    def with_failures(*failures):
        return named(sources=tuple(source(f"source{number}", count) for number, count in enumerate(failures)))

    assert with_failures(0, 0) == []
    assert with_failures(1, 0) == [("warning", "source-failing")]
    assert with_failures(9, 1) == [("warning", "source-failing")] * 2
    assert with_failures(2, 2) == [("critical", "sources")]
    assert with_failures(2) == [("critical", "sources")]
    assert named(sources=()) == []


def test_a_source_that_nobody_reads_is_a_warning_and_one_that_was_never_read_is_not():
    assert named(sources=(source("arxiv", is_out_of_touch=True),)) == [("warning", "source-unread")]
    assert named(sources=(source("arxiv", read_at=None, outcome=None),)) == []


@pytest.mark.parametrize(
    ("free", "expected"),
    [(0.10, []), (0.0999, [("warning", "disk")]), (0.05, [("warning", "disk")]), (0.0499, [("critical", "disk")])],
)
def test_a_disk_that_is_nearly_full_is_told_in_time(free, expected):
    assert named(disks=(Disk("", "/var/lib/digest", free, 10**9),)) == expected


def test_a_full_disk_of_another_machine_is_told_by_its_name():
    problem = only(disks=(*WELL.disks, Disk("mail2", "/srv/digest", 0.03, 3 * 10**9)))
    assert (problem.subject, problem.text) == (
        "mail2",
        "only 3.0% of the disk of /srv/digest on mail2 is free (3.0 GB)",
    )


def test_redis_away_is_a_warning_and_an_installation_without_one_is_not():
    assert named(queue=QueueStatus(True, problem="connection refused")) == [("warning", "redis")]
    assert named(queue=QueueStatus(False)) == []


def test_without_a_database_only_that_is_told_and_what_this_machine_can_tell():
    state = InstallationStatus(NOW, "1.0", QueueStatus(True, problem="away"), WELL.disks, "no answer", "Check it")
    assert problems(state)[0].remedy == "Check it"
    assert [problem.name for problem in problems(state)] == ["database", "redis"]


def test_the_critical_problems_come_first():
    state = replace(WELL, queue=QueueStatus(True, problem="away"), cut=NOT_CUT, issues=())
    assert [problem.name for problem in problems(state)] == ["no-issue", "redis"]


# --- webhooks ---


def endpoint(failing=None, is_disabled=False, why=""):
    since = None if failing is None else NOW - failing
    return (EndpointStatus(3, "hooks.example.org", is_disabled, why, since, 5, 0, CUT_AT),)


def test_an_endpoint_that_fails_for_ten_minutes_is_a_warning():
    assert named(webhooks=endpoint()) == []
    assert named(webhooks=endpoint(10 * MINUTE - SECOND)) == []
    problem = only(webhooks=endpoint(10 * MINUTE))
    assert (problem.level, problem.name, problem.subject) == (Level.WARNING, "webhook-failing", "3")
    assert problem.text == "webhooks to hooks.example.org (endpoint 3) have failed since 2026-03-04 08:50 UTC"


def test_an_endpoint_that_its_failures_disabled_is_a_warning_at_once_and_by_hand_none():
    problem = only(webhooks=endpoint(SECOND, True, "it answered 410 Gone"))
    assert (problem.level, "410 Gone" in problem.text) == (Level.WARNING, True)
    assert named(webhooks=endpoint(None, True, "they move")) == []


def reports(kind: FailureKind, count: int, accepted: int = 10_000) -> BounceStatus:
    return BounceStatus(accepted, ReportCounts({(kind, "address", "proved"): count, (kind, "other", "unproved"): 999}))


@pytest.mark.parametrize(
    ("bounces", "found"),
    [
        (reports(FailureKind.HARD, 200), []),
        (reports(FailureKind.HARD, 201), [("warning", "bounces")]),
        (reports(FailureKind.HARD, 19, accepted=100), []),
        (reports(FailureKind.SOFT, 9_000), []),
        (reports(FailureKind.COMPLAINT, 9), []),
        (reports(FailureKind.COMPLAINT, 10), [("warning", "complaints")]),
        (reports(FailureKind.COMPLAINT, 30), [("critical", "complaints")]),
        (reports(FailureKind.COMPLAINT, 4, accepted=10), []),
        (BounceStatus(freeze=Freeze(NOW, "example.com reported 20"), held=3), [("warning", "suppression-frozen")]),
    ],
)
def test_messages_that_come_back_are_a_problem_from_a_certain_rate(bounces, found):
    assert named(bounces=bounces) == found
