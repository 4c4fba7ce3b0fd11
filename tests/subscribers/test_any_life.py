"""A subscription agrees with a simple model of it, whatever people do in any order."""

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from digest.database.engine import connect, read_only
from digest.database.tables import deliveries, subscribers
from digest.issues import first_issue
from digest.ledger.kinds import Kind, SuppressionReason
from digest.subscribers import store, subscriptions
from digest.subscribers.subscriber import Consent, Preferences, recipient_key
from digest.subscribers.suppressions import suppression_of
from tests.support.page_actions import DAY, HOUR, NOW, SECRET

PEOPLE = st.sampled_from(["ada", "ben"])
lives = count()


@dataclass
class Person:
    """The expected state. Without a `status` they have not signed up, or were deleted."""

    status: str | None = None
    had_confirmed: bool = False
    asked_again: bool = False  # someone signed them up after they had confirmed; it waits for a click
    never_again: bool = False
    papers: int = 0
    since: datetime = NOW
    confirmations: list[datetime] = field(default_factory=list)  # emails; they outlive the subscriber

    def may_be_asked(self, now: datetime) -> bool:
        """One email a day and three a month."""
        recent = [at for at in self.confirmations if at >= now - 30 * DAY]
        return len(recent) < 3 and all(at < now - DAY for at in recent)


class Lives(RuleBasedStateMachine):
    """Two people, and a database that has those of earlier runs."""

    engine = None

    @initialize()
    def begin(self):
        self.now, self.life = NOW, next(lives)
        self.people = {"ada": Person(), "ben": Person()}

    def address(self, name):
        return f"{name}{self.life}@example.org"

    def key(self, name):
        return recipient_key(self.address(name), SECRET)

    def stored(self, name):
        with read_only(self.engine) as connection:
            return store.by_key(connection, self.key(name))

    def number(self, name):
        subscriber = self.stored(name)
        return subscriber.id if subscriber else 0

    @rule(hours=st.sampled_from([1, 23, 25, 24 * 8, 24 * 31]))
    def wait(self, hours):
        self.now += hours * HOUR

    @rule(name=PEOPLE, papers=st.integers(3, 9))
    def subscribe(self, name, papers):
        consent = Consent(self.now, "", "web 1")
        subscriptions.subscribe(self.engine, self.address(name), consent, SECRET, Preferences(papers=papers))
        person = self.people[name]
        if person.never_again:
            return
        may_be_asked = person.may_be_asked(self.now)
        if person.status is None and may_be_asked:
            person.status, person.papers, person.since = "pending", papers, self.now
            person.had_confirmed = person.asked_again = False
        if person.status == "unsubscribed":
            person.asked_again = True
        if person.status in ("pending", "unsubscribed") and may_be_asked:
            person.confirmations.append(self.now)

    @rule(name=PEOPLE)
    def confirm(self, name):
        first_issue.confirm(self.engine, self.number(name), "", self.now)
        person = self.people[name]
        if person.status == "pending" or person.asked_again:
            person.status, person.had_confirmed, person.asked_again = "confirmed", True, False

    @rule(name=PEOPLE)
    def unsubscribe(self, name):
        subscriptions.unsubscribe(self.engine, self.number(name), self.now, "page", goodbye=True)
        person = self.people[name]
        if person.status == "pending" or person.asked_again:
            person.never_again = True
        if person.status is not None:
            person.status, person.asked_again = "unsubscribed", False

    @rule(name=PEOPLE)
    def change_their_mind(self, name):
        subscriptions.resubscribe(self.engine, self.number(name), self.now)
        person = self.people[name]
        if person.status == "unsubscribed" and person.had_confirmed:
            person.status, person.asked_again, person.never_again = "confirmed", False, False

    @rule(name=PEOPLE, papers=st.integers(3, 9))
    def change_preferences(self, name, papers):
        changed = subscriptions.change_preferences(self.engine, self.number(name), Preferences(papers=papers), self.now)
        person = self.people[name]
        assert changed == (person.status is not None)
        person.papers = papers if changed else person.papers

    @rule(name=PEOPLE)
    def delete(self, name):
        assert subscriptions.erase(self.engine, self.number(name), self.now) == (self.people[name].status is not None)
        self.people[name].status, self.people[name].asked_again = None, False

    @rule()
    def tidy(self):
        subscriptions.purge_pending(self.engine, self.now)
        for person in self.people.values():
            never_confirmed = person.status in ("pending", "unsubscribed") and not person.had_confirmed
            if never_confirmed and person.since < self.now - timedelta(days=7):
                person.status, person.asked_again = None, False

    @invariant()
    def each_is_as_they_must_be(self):
        for name, person in self.people.items():
            subscriber = self.stored(name)
            assert (subscriber.status if subscriber else None) == person.status, name
            if subscriber:
                assert subscriber.preferences.papers == person.papers
                waits = person.status == "pending" or person.asked_again
                assert subscriptions.may_confirm(self.engine, subscriber) == waits
            self.check_ledger(name, person)

    def check_ledger(self, name, person):
        with read_only(self.engine) as connection:
            suppression = suppression_of(connection, self.key(name))
            assert (suppression is SuppressionReason.ASKED) == person.never_again
            mine = (deliveries.c.recipient == self.key(name), deliveries.c.kind == Kind.CONFIRMATION)
            asked = list(connection.scalars(select(deliveries.c.created_at).where(*mine).order_by(deliveries.c.id)))
            assert asked == person.confirmations
            addresses = select(func.count()).where(subscribers.c.email == self.address(name))
            assert connection.scalar(addresses) == (person.status is not None)


@pytest.fixture(scope="module")
def lived_in(sqlite_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("lives") / "test.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    engine = connect(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def test_any_life_of_a_subscription_is_what_the_model_says(lived_in):
    class OnDatabase(Lives):
        engine = lived_in

    profile = settings(max_examples=int(os.environ.get("LIVES", "15")), stateful_step_count=25, deadline=None)
    run_state_machine_as_test(OnDatabase, settings=profile)
