"""Lists as they are sent: what waits for the next email, and what an issue of an earlier version has."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, issues
from digest.issues.explain import explain_list, stored_selection
from digest.issues.selection import RULES, CachedIssue, Pool
from digest.issues.store import issue_on, settings_as_json
from tests.mail.delivery.builders import hands, opened
from tests.support.scenario import DAY, MORNING, PLAN, add_papers, add_subscriber, cut

__all__ = ["hands"]  # a fixture

A_DAY = timedelta(days=1)
BY_VOTES = replace(PLAN, floor=-20.0)  # whatever has a vote is worth it


def send(engine, hands, days, numbers=range(0)):
    """Cut and send the issue of a later day, before which these papers were listed."""
    now = MORNING + days * A_DAY
    if numbers:
        seen = now - timedelta(hours=1)
        add_papers(engine, numbers, seen, listed_at=now - timedelta(hours=6))
    cut(engine, DAY + days * A_DAY, plan=BY_VOTES)
    hands.at = now + timedelta(hours=2)
    hands.deliver()


def ledger(engine, subscriber):
    """State, reason and selection of a subscriber's deliveries by occasion."""
    query = select(deliveries).where(deliveries.c.recipient == subscriber.key).order_by(deliveries.c.occasion)
    with read_only(engine) as connection:
        rows = connection.execute(query).all()
        return [(row.state, row.reason, stored_selection(connection, row)) for row in rows]


def test_what_is_left_waits_and_the_next_email_says_since_when(engine, hands):
    ada = add_subscriber(engine, "ada@example.com")
    ben = add_subscriber(engine, "ben@example.com", full_lists=True)
    send(engine, hands, 0, range(12))
    send(engine, hands, 1)
    send(engine, hands, 2)
    send(engine, hands, 3, range(20, 25))
    first, withheld, again, covers = ledger(engine, ada)
    assert (first[0], len(first[2].picks), first[2].first, first[2].since) == ("accepted", 10, True, None)
    assert withheld == again == ("skipped", "too few papers", None)
    assert (covers[0], covers[2].since) == ("accepted", DAY + A_DAY)
    assert {pick.paper_id for pick in covers[2].picks} == {f"2603.{n:05}" for n in (10, 11, *range(20, 25))}
    texts = [opened(taken).get_body(("plain",)).get_content() for taken in hands.server.taken_for("ada@example.com")]
    assert ["too few papers were worth it" in " ".join(text.split()) for text in texts] == [False, True]
    assert [row[0] for row in ledger(engine, ben)] == ["accepted", "accepted", "skipped", "accepted"]
    assert ledger(engine, ben)[1][2].since is None
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", DAY + 3 * A_DAY)
    explained = explain_list(engine, CachedIssue(issue, Pool(issue)), ada.key, {})
    assert explained.same
    send(engine, hands, 4, range(30, 40))
    assert ledger(engine, ada)[-1][2].since is None


def test_an_issue_cut_before_there_was_a_balance_keeps_the_rule_of_its_time(engine, hands):
    """The best scores, whatever they are for: the second paper of the day was worth less than matches far down."""
    add_papers(engine, range(30))
    add_papers(engine, range(30, 40), abstract="All about graphs.")
    subscriber = add_subscriber(engine, "ada@example.com", papers=5, keywords=("graphs",), surprise=False)
    cut(engine)
    earlier = {name: text for name, text in settings_as_json(PLAN.settings).items() if name not in ("rules", "floor")}
    with transaction(engine) as connection:
        connection.execute(issues.update().values(settings=earlier))
    hands.deliver()
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", DAY)
    explained = explain_list(engine, CachedIssue(issue, Pool(issue)), subscriber.key, {})
    assert explained.same
    assert [pick.paper_id for pick in explained.chosen.selection.picks] == [
        f"2603.{number:05}" for number in (0, 30, 31, 32, 33)
    ]
    balanced = replace(issue, settings=replace(issue.settings, rules=RULES))
    assert not explain_list(engine, CachedIssue(balanced, Pool(balanced)), subscriber.key, {}).same
