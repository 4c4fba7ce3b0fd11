"""digest pause, resume, cancel and retry: their output and their effect on the ledger."""

import json
import re
from datetime import UTC, datetime

import pytest

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.ledger import events
from digest.ledger.deliveries import due_count
from digest.mail import pauses
from digest.mail.pauses import EVERYTHING, Pause
from digest.subscribers.subscriber import recipient_key
from tests.cli.conftest import DATE, KEY
from tests.support.scenario import MORNING, change_deliveries

NOW = datetime.now(UTC)


def due(engine):
    with read_only(engine) as connection:
        return due_count(connection, NOW, 100)


def paused(engine):
    with read_only(engine) as connection:
        return {one.scope: (one.until, one.reason) for one in pauses.current(connection, datetime.now(UTC))}


def set_pause(engine, scope, reason, until=None):
    with transaction(engine) as connection:
        pauses.set_pause(connection, Pause(scope, NOW, until, reason))


# --- an issue ---


def test_pause_resume_and_cancel_say_what_they_did(run, issue):
    assert "is paused" in run("pause", "--date", DATE).stderr
    assert "Nothing changed: the issue of 2026-03-04 is paused" in run("pause", "--date", DATE).stderr
    assert "would be running" in run("resume", "--date", DATE, "--dry-run").stderr
    assert "is running" in run("resume", "--date", DATE).stderr
    assert "is cancelled" in run("cancel", "--date", DATE).stderr
    assert "Nothing changed: the issue of 2026-03-04 is cancelled" in run("resume", "--date", DATE).stderr
    assert "Nothing would change" in run("pause", "--date", DATE, "--dry-run").stderr


def test_they_say_the_same_as_a_document(run, issue):
    said = json.loads(run("pause", "--date", DATE, "--dry-run", "--json").stdout)
    assert said == {"issue": DATE, "was": "running", "status": "paused", "dry_run": True}
    said = json.loads(run("pause", "--date", DATE, "--json").stdout)
    assert said == {"issue": DATE, "was": "running", "status": "paused", "dry_run": False}
    assert json.loads(run("pause", "--date", DATE, "--json").stdout)["was"] == "paused"


def test_from_the_moment_a_command_returns_no_mail_of_the_issue_is_due(run, issue, engine):
    assert due(engine) == 1
    run("pause", "--date", DATE, "--dry-run")
    assert due(engine) == 1
    run("pause", "--date", DATE)
    assert due(engine) == 0
    run("resume", "--date", DATE)
    assert due(engine) == 1
    run("cancel", "--date", DATE)
    assert due(engine) == 0


# --- all sending ---


def test_all_sending_is_paused_by_hand_and_resumed(run, engine):
    assert "would be paused" in run("pause", "--sending", "--dry-run").stderr
    assert paused(engine) == {}
    done = run("pause", "--sending", "--reason", "the provider asked us to")
    assert "All sending is paused. To resume: digest resume --sending" in done.stderr
    assert paused(engine) == {EVERYTHING: (None, "the provider asked us to")}
    assert "would resume" in run("resume", "--sending", "--dry-run").stderr
    assert EVERYTHING in paused(engine)
    assert "resumes. It was paused by ada since" in run("resume", "--sending").stderr
    assert paused(engine) == {}
    assert "All sending is not paused." in run("resume", "--sending").stderr
    with read_only(engine) as connection:
        assert [one.what for one in events.latest(connection, 9, "sending")] == ["resumed", "stopped"]


def test_mail_to_one_destination_is_paused_and_the_rest_goes_on(run, engine):
    said = json.loads(run("pause", "--sending", "--domain", "Example.com", "--json").stdout)
    assert said == {"scope": "example.com", "paused": True, "reason": "no reason given", "dry_run": False}
    assert list(paused(engine)) == ["example.com"]
    assert "All sending is not paused." in run("resume", "--sending").stderr
    said = json.loads(run("resume", "--sending", "--domain", "example.com", "--json").stdout)
    assert (said["paused"], said["was"]["reason"]) == (False, "no reason given")
    assert paused(engine) == {}


def test_what_a_mail_servers_refusals_paused_goes_on_by_hand(run, engine):
    until = datetime(2099, 1, 1, tzinfo=UTC)
    set_pause(engine, EVERYTHING, "550 5.7.1 rejected by policy", until)
    said = json.loads(run("resume", "--sending", "--json").stdout)
    assert said["was"]["reason"] == "550 5.7.1 rejected by policy"
    assert paused(engine) == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pause", "--sending", "--date", DATE), "not both"),
        (("resume", "--sending", "--date", DATE), "not both"),
        (("resume", "--domain", "example.com"), "needs --sending"),
    ],
)
def test_options_that_contradict_each_other_change_nothing(run, issue, engine, arguments, said):
    done = run(*arguments)
    assert (done.exit_code, said in done.stderr) == (2, True)
    assert paused(engine) == {}
    assert due(engine) == 1


# --- again ---


def change(engine, **values):
    with transaction(engine) as connection:
        change_deliveries(connection, **values)


def test_quarantined_mails_are_queued_again_composed_anew(run, issue, engine):
    change(engine, state="quarantined", finished_at=MORNING, sha256="a" * 64)
    assert "1 quarantined deliveries would be queued again" in run("retry", "--dry-run").stderr
    assert due(engine) == 0
    assert json.loads(run("retry", "--json").stdout) == {"mails": 1, "uncertain": False, "dry_run": False}
    assert "0 quarantined deliveries are queued again" in run("retry", "--date", DATE).stderr


def test_what_was_held_in_doubt_goes_once_more_as_the_same_bytes_when_the_operator_says_so(run, issue, engine):
    change(engine, state="uncertain", in_doubt=True, finished_at=MORNING, sha256="a" * 64)
    assert json.loads(run("retry", "--json").stdout)["mails"] == 0
    said = json.loads(run("retry", "--uncertain", "--dry-run", "--json").stdout)
    assert said == {"mails": 1, "uncertain": True, "dry_run": True}
    assert due(engine) == 0
    assert "1 uncertain deliveries are queued again" in run("retry", "--uncertain", "--date", DATE).stderr
    with read_only(engine) as connection:
        (row,) = connection.execute(deliveries.select())
    assert (row.state, row.finished_at, row.sha256) == ("uncertain", None, "a" * 64)


# --- off the site ---


def test_an_issue_that_is_partly_sent_is_cancelled_and_taken_off_the_site(run, issue, engine):
    dry = run("withdraw", "--date", DATE, "--dry-run")
    assert "would be withdrawn: no page or feed would show it. Would not be sent: 1" in " ".join(dry.stderr.split())
    assert due(engine) == 1
    done = run("withdraw", "--date", DATE, "--reason", "the wrong papers")
    assert "is withdrawn: no page or feed shows it. Not sent: 1; sent before: 0." in " ".join(done.stderr.split())
    assert "digest withdraw --undo --date 2026-03-04" in " ".join(done.stderr.split())
    assert due(engine) == 0
    assert "is withdrawn already" in run("withdraw", "--date", DATE).stderr
    shown = run("audit", "--date", DATE).stdout
    assert "Withdrawn from the site since" in shown
    assert "Issue of 2026-03-04 (cancelled): 1" in shown
    undone = " ".join(run("withdraw", "--date", DATE, "--undo").stderr.split())
    assert "is shown again. It stays cancelled: lists of issues and feeds leave it out." in undone
    assert "is not withdrawn" in run("withdraw", "--date", DATE, "--undo").stderr
    with read_only(engine) as connection:
        withdrawn = events.latest(connection, 9, f"issue:{DATE}")[1]
    assert withdrawn.detail == {"reason": "the wrong papers", "by": "ada", "through": "shell"}


def test_an_issue_that_everybody_got_comes_back_whole(run, issue, engine):
    change(engine, state="accepted", finished_at=MORNING)
    said = json.loads(run("withdraw", "--date", DATE, "--json").stdout)
    assert said == {"issue": DATE, "status": "running", "withdrawn": True, "dry_run": False}
    assert json.loads(run("withdraw", "--date", DATE, "--undo", "--json").stdout)["withdrawn"] is False
    assert json.loads(run("audit", "--date", DATE, "--json").stdout)["status"] == "running"


@pytest.mark.parametrize("state", ["queued", "quarantined", "uncertain"])
def test_what_a_retry_could_send_cancels_a_withdrawn_issue(run, issue, engine, state):
    change(engine, state=state, finished_at=MORNING)
    assert json.loads(run("withdraw", "--date", DATE, "--json").stdout)["status"] == "cancelled"


# --- who did it ---


def by(engine, subject):
    with read_only(engine) as connection:
        latest = events.latest(connection, 9, subject)
    return [(one.what, one.detail.get("by"), one.detail.get("through")) for one in latest]


def test_each_action_names_the_person_behind_it(run, issue, engine):
    run("pause", "--date", DATE, "--reason", "a typo in the title")
    run("resume", "--date", DATE)
    change(engine, state="quarantined", finished_at=MORNING)
    run("retry", "--date", DATE)
    run("cancel", "--date", DATE)
    names = [(what, "ada", "shell") for what in ("cancelled", "retried", "running", "paused")]
    assert by(engine, f"issue:{DATE}")[:4] == names
    assert by(engine, f"issue:{DATE}")[4][1:] == (None, None), "the issue was cut by no person"
    key = recipient_key("ada@example.com", KEY.encode())
    run("suppressions", "add", "ada@example.com")
    run("suppressions", "lift", "ada@example.com")
    run("subscribers", "unsubscribe", "ada@example.com")
    actions = by(engine, f"subscriber:{key}")[:3]
    assert actions == [(what, "ada", "shell") for what in ("unsubscribed", "suppression lifted", "suppressed")]
    run("subscribers", "erase", "ada@example.com")
    # The details of earlier events go with the person.
    assert by(engine, f"subscriber:{key}")[:4] == [
        ("erased", "ada", "shell"), ("unsubscribed", None, None), ("suppression lifted", None, None),
        ("suppressed", None, None),
    ]  # fmt: skip
    run("subscribers", "add", "eve@example.com", "--consented", "on paper")
    assert by(engine, f"subscriber:{recipient_key('eve@example.com', KEY.encode())}") == [("imported", "ada", "shell")]


def test_who_paused_is_said_wherever_the_pause_is_shown(run, issue, engine):
    run("pause", "--date", DATE, "--reason", "a typo in the title")
    shown = run("audit", "--date", DATE).stdout
    assert re.search(r"^Paused by ada since 20\d\d-.* UTC: a typo in the title\.$", shown, re.MULTILINE)
    run("resume", "--date", DATE)
    run("pause", "--sending", "--reason", "the provider asked")
    said = "all sending is paused by ada since "
    assert said in run("audit", "--date", DATE).stdout
    assert "paused by ada since " in " ".join(run("doctor").stdout.split())
    (pause,) = [one for one in all_pauses(engine) if one.scope == EVERYTHING]
    assert pause.by == "ada"


def all_pauses(engine):
    with read_only(engine) as connection:
        return pauses.all_pauses(connection)


def test_a_pause_of_the_throttle_names_nobody(engine):
    set_pause(engine, EVERYTHING, "550 5.7.1 policy", datetime(2099, 1, 1, tzinfo=UTC))
    assert [one.by for one in all_pauses(engine)] == [""]
