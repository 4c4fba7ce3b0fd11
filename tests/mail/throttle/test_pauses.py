"""Pauses as they are stored: by hand, counting failures, and for one trial."""

from datetime import UTC, datetime, timedelta

import pytest

from digest.database.engine import read_only, transaction
from digest.ledger.events import latest
from digest.mail import pauses
from digest.mail.pauses import BREAKS_AT, EVERYTHING, NOT_PAUSED, Pause

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def rows(engine):
    with read_only(engine) as connection:
        return pauses.all_pauses(connection)


def events(engine):
    with read_only(engine) as connection:
        return [(event.subject, event.what) for event in reversed(latest(connection, 9))]


@pytest.mark.parametrize(
    ("until", "in_force"),
    [(None, True), (NOW + MINUTE, True), (NOW, False), (NOW - MINUTE, False), (NOT_PAUSED, False)],
)
def test_a_pause_is_in_force_until_its_end(engine, until, in_force):
    pause = Pause("a.org", NOW - MINUTE, until, "too many")
    assert pause.is_in_force(NOW) is in_force
    with transaction(engine) as connection:
        pauses.set_pause(connection, pause)
        assert pauses.current(connection, NOW) == ([pause] if in_force else [])
    assert pauses.pause_of(engine, "a.org", NOW) == (pause if in_force else None)
    assert pauses.pause_of(engine, "b.org", NOW) is None
    assert pauses.resume(engine, "a.org", NOW) is in_force
    assert events(engine) == ([("domain:a.org", "resumed")] if in_force else [])
    assert rows(engine) == []


def test_a_pause_by_hand_lasts_until_it_is_resumed(engine):
    pauses.pause_by_hand(engine, EVERYTHING, "an upgrade", NOW)
    assert rows(engine) == [Pause(EVERYTHING, NOW, None, "an upgrade", 0)]
    assert pauses.resume(engine, EVERYTHING, NOW + MINUTE)
    assert not pauses.resume(engine, EVERYTHING, NOW + MINUTE)
    assert events(engine) == [("sending", "stopped"), ("sending", "resumed")]


def test_long_names_and_reasons_are_cut(engine):
    with transaction(engine) as connection:
        pauses.set_pause(connection, Pause("a.org", NOW, None, "x" * 501))
    assert len(rows(engine)[0].reason) == 500
    assert len(pauses.event_subject("d" * 200)) == 80


def test_the_row_of_a_scope_is_made_when_it_is_first_locked(engine):
    with transaction(engine) as connection:
        assert pauses.locked(connection, "a.org", NOW) == Pause("a.org", NOW, NOT_PAUSED, "", 0)
        kept = Pause("a.org", NOW, NOW + MINUTE, "too many", 3)
        pauses.set_pause(connection, kept)
        assert pauses.locked(connection, "a.org", NOW + MINUTE) == kept


@pytest.mark.parametrize(
    ("scope", "until", "failures", "forgotten"),
    [
        ("a.org", NOW, 9, True),
        ("a.org", NOW + MINUTE, 1, False),
        ("a.org", None, 1, False),
        (EVERYTHING, NOW, BREAKS_AT - 1, True),
        (EVERYTHING, NOW, BREAKS_AT, False),
    ],
)
def test_a_success_forgets_failures_but_ends_no_pause_and_no_trial(engine, scope, until, failures, forgotten):
    with transaction(engine) as connection:
        pauses.set_pause(connection, Pause(scope, NOW, until, "no", failures))
        pauses.forget_failures(connection, {"b.org"}, NOW)
    assert len(rows(engine)) == 1
    with transaction(engine) as connection:
        pauses.forget_failures(connection, {scope}, NOW)
    assert (rows(engine) == []) is forgotten


def test_worker_after_worker_may_win_and_end_a_trial_that_nobody_changed(engine):
    ended = Pause(EVERYTHING, NOW - MINUTE, NOW, "550", BREAKS_AT)
    with transaction(engine) as connection:
        pauses.set_pause(connection, ended)
        assert pauses.win_trial(connection, ended, NOW + MINUTE)
        assert not pauses.win_trial(connection, ended, NOW + MINUTE)
        assert not pauses.end_trial(connection, EVERYTHING, NOW)
        assert not pauses.end_trial(connection, "a.org", NOW + MINUTE)
        assert pauses.end_trial(connection, EVERYTHING, NOW + MINUTE)
        assert not pauses.end_trial(connection, EVERYTHING, NOW + MINUTE)


def test_the_pauses_in_force_are_listed_with_all_sending_first(engine):
    with transaction(engine) as connection:
        for scope in ("b.org", "a.org", EVERYTHING):
            pauses.set_pause(connection, Pause(scope, NOW, None, "no"))
        assert [pause.scope for pause in pauses.current(connection, NOW)] == [EVERYTHING, "a.org", "b.org"]
        assert pauses.clear(connection, "a.org")
        assert not pauses.clear(connection, "a.org")
