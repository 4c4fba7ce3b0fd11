"""A subscriber's own pages: preferences, unsubscribing, personal links, deletion."""

import re
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, update

from digest.database.engine import transaction
from digest.database.tables import deliveries
from digest.ledger.kinds import Kind, SkipReason, Status, SuppressionReason
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Balance, Preferences
from digest.subscribers.suppressions import suppress
from digest.subscribers.tokens import Purpose
from tests.conftest import Clock
from tests.web.conftest import ADDRESS, START, Visit

# --- preferences ---


def test_preferences_show_what_is_stored_and_save_what_is_chosen(visit: Visit) -> None:
    subscriber = visit.subscribed()
    wishes = Preferences(
        topics=("speech",),
        keywords=("diffusion",),
        papers=7,
        weekdays=frozenset({4}),
        zone="Asia/Tokyo",
        hour=21,
        paused_until=date(2026, 12, 24),
    )
    subscriptions.change_preferences(visit.engine, subscriber.id, wishes, START)
    link = f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}"
    page = visit.browser.get(link).text
    for shown in (
        'value="speech" checked',
        'value="diffusion"',
        'value="7"',
        'value="weekly" checked',
        '<option value="4" selected>Friday',
        '<option value="21" selected>21:00',
        'value="Asia/Tokyo"',
        'value="until" checked',
        'value="2026-12-24"',
        "a…@example.org",
    ):
        assert shown in page
    saved = visit.browser.post(link, data={"papers": "2", "hour": "9", "pause": "0", "keywords": ""})
    assert "Saved." in saved.text
    after = visit.subscriber().preferences
    assert (after.papers, after.hour, after.keywords, after.topics) == (2, 9, (), ())
    assert after.paused_until == START.date()  # of a pause that was ended by hand, the end
    assert (after.zone, after.weekdays) == ("Asia/Tokyo", frozenset({4}))


@pytest.mark.parametrize(("purpose", "page"), [(Purpose.MANAGE, "preferences"), (Purpose.CONFIRM, "confirm")])
def test_a_mix_and_full_lists_can_be_chosen_at_sign_up_and_later(visit: Visit, purpose: Purpose, page: str) -> None:
    if purpose is Purpose.CONFIRM:
        visit.browser.post("/subscribe", data={"email": ADDRESS})
    subscriber = visit.subscriber() if purpose is Purpose.CONFIRM else visit.subscribed()
    link = f"/{page}/{visit.token(purpose, subscriber)}"
    form = visit.browser.get(link).text
    assert 'name="balance" value="both" checked' in form
    assert re.search(r'type="checkbox" name="full_lists" value="yes"[^>]* checked', form) is None
    visit.browser.post(link, data={"balance": "mine", "full_lists": ["no", "yes"]})
    chosen = visit.subscriber().preferences
    assert (chosen.balance, chosen.full_lists) == (Balance.MINE, True)


def test_a_mix_and_full_lists_are_shown_as_stored_and_can_be_taken_back(visit: Visit) -> None:
    subscriber = visit.subscribed()
    chosen = Preferences(balance=Balance.MINE, full_lists=True)
    subscriptions.change_preferences(visit.engine, subscriber.id, chosen, START)
    link = f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}"
    page = visit.browser.get(link).text
    assert 'name="balance" value="mine" checked' in page
    assert re.search(r'name="full_lists" value="yes"[^>]* checked', page)
    assert visit.browser.post(link, data={"balance": "all of it"}).status_code == 400
    visit.browser.post(link, data={"balance": "best", "full_lists": "no"})
    assert visit.subscriber().preferences == Preferences(balance=Balance.BEST)


def withhold(visit: Visit, reason: SkipReason, *days_back: int) -> None:
    """Skip the subscriber's issues of these days."""
    subscriber = visit.subscriber()
    for back in days_back:
        day = START.date() - timedelta(days=back)
        delivery = NewDelivery(Kind.DIGEST, day, subscriber.key, subscriber.id, START)
        with transaction(visit.engine) as connection:
            queue_delivery(connection, delivery, START)
            delivery_id = connection.execute(select(func.max(deliveries.c.id))).scalar_one()
            connection.execute(
                update(deliveries).where(deliveries.c.id == delivery_id).values(state="skipped", reason=reason)
            )


def test_preferences_explain_the_days_of_the_last_week_without_an_email(visit: Visit) -> None:
    subscriber = visit.subscribed()
    link = f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}"
    withhold(visit, SkipReason.NOTHING_NEW, 3)
    withhold(visit, SkipReason.TOO_FEW, 8)
    assert "There was no email" not in visit.browser.get(link).text
    withhold(visit, SkipReason.TOO_FEW, 1, 2)
    page = visit.browser.get(link).text
    assert "There was no email for 21 Nov and 22 Nov, because too few papers were worth one." in page
    assert '<a href="#full_lists">Always get full lists</a>' in page
    assert 'id="full_lists"' in page
    visit.browser.post(link, data={"full_lists": "yes"})
    assert "#full_lists" not in visit.browser.get(link).text


def test_lists_are_separated_by_the_commas_of_any_script(visit: Visit) -> None:
    link = f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}"
    typed = {"keywords": "扩散、ＲＡＧ；LLM\r\nagents", "authors": "李明，Ada Lovelace", "labs": "清华大学；MIT"}
    page = visit.browser.post(link, data=typed | {"categories": "cs.cl、STAT.ml ｍａｔｈ"}).text
    after = visit.subscriber().preferences
    assert (after.keywords, after.authors, after.labs, after.categories) == (
        ("扩散", "RAG", "LLM", "agents"),
        ("李明", "Ada Lovelace"),
        ("清华大学", "MIT"),
        ("cs.CL", "stat.ML", "math"),
    )
    assert 'value="扩散, RAG, LLM, agents"' in page


def test_a_wrong_field_is_said_at_the_field_and_nothing_is_saved(visit: Visit) -> None:
    subscriber = visit.subscribed()
    link = f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}"
    answer = visit.browser.post(link, data={"papers": "two", "hour": "8", "zone": "Nowhere", "keywords": "x"})
    assert answer.status_code == 400
    for name in ("papers", "zone", "keywords"):
        assert f'id="{name}-wrong"' in answer.text
        assert f'aria-describedby="{name}-wrong' in answer.text
        assert f'href="#{name}"' in answer.text
        assert f'id="{name}"' in answer.text
    assert 'value="two"' in answer.text
    assert visit.subscriber().preferences == subscriber.preferences


def test_unsubscribing_and_coming_back_from_the_preferences(visit: Visit) -> None:
    link = f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}"
    assert "You’ve unsubscribed" in visit.browser.post(link, data={"action": "unsubscribe"}).text
    assert visit.subscriber().status is Status.UNSUBSCRIBED
    assert "You’re subscribed again" in visit.browser.post(link, data={"action": "resubscribe"}).text
    assert visit.subscriber().status is Status.CONFIRMED


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (SuppressionReason.OPERATOR, "This address is blocked, so nothing has changed. Write to us"),
        (SuppressionReason.REFUSED, "This address has to be confirmed first, so nothing has changed."),
    ],
)
def test_no_page_says_that_a_suppressed_address_is_subscribed(
    visit: Visit, reason: SuppressionReason, words: str
) -> None:
    subscriber = visit.subscribed()
    with transaction(visit.engine) as connection:
        suppress(connection, subscriber.key, reason, "", START)
    manage, leave = (visit.token(purpose, subscriber) for purpose in (Purpose.MANAGE, Purpose.UNSUBSCRIBE))
    assert words in visit.browser.post(f"/preferences/{manage}", data={"action": "resubscribe"}).text
    assert "subscribed again" not in visit.browser.post(f"/u/{leave}", data={"undo": "1"}).text


def test_resubscribing_says_what_is_so(visit: Visit) -> None:
    link = f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}"
    assert "You’re already subscribed" in visit.browser.post(link, data={"action": "resubscribe"}).text
    visit.browser.post("/subscribe", data={"email": "pending@example.org"})
    pending = visit.subscriber("pending@example.org")
    never = visit.browser.post(f"/preferences/{visit.token(Purpose.MANAGE, pending)}", data={"action": "resubscribe"})
    assert "This address has to be confirmed first, so nothing has changed." in never.text
    assert "subscribed again" not in never.text


@pytest.mark.parametrize("reason", [SuppressionReason.REFUSED, SuppressionReason.OPERATOR])
def test_an_address_that_gets_no_mail_is_not_said_to_be_subscribed_again(
    visit: Visit, reason: SuppressionReason
) -> None:
    reader = visit.subscribed()
    subscriptions.unsubscribe(visit.engine, reader.id, START, "test")
    with transaction(visit.engine) as connection:
        suppress(connection, reader.key, reason, "", START)
    answer = visit.browser.post(f"/preferences/{visit.token(Purpose.MANAGE, reader)}", data={"action": "resubscribe"})
    assert "so nothing has changed." in answer.text
    assert "subscribed again" not in answer.text
    assert visit.subscriber().status is Status.UNSUBSCRIBED


def test_a_request_by_a_stranger_changes_nothing_that_who_left_can_see(visit: Visit, clock: Clock) -> None:
    reader = visit.subscribed()
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, reader)}"
    visit.browser.post(url)
    clock.move_to(START + timedelta(minutes=30))
    visit.browser.post("/subscribe", data={"email": ADDRESS})
    assert visit.subscriber().consent == reader.consent
    assert "You’re subscribed again" in visit.browser.post(url, data={"undo": "yes"}).text
    assert "You’re subscribed again" in visit.browser.post(url, data={"undo": "yes"}).text, "a second click too"


def test_who_left_and_confirms_a_new_request_is_subscribed_with_their_old_preferences(
    visit: Visit, clock: Clock
) -> None:
    reader = visit.subscribed()
    subscriptions.change_preferences(visit.engine, reader.id, Preferences(papers=7), START)
    visit.browser.post(f"/u/{visit.token(Purpose.UNSUBSCRIBE, reader)}")
    clock.move_to(START + timedelta(days=2))
    visit.browser.post("/subscribe", data={"email": ADDRESS})
    assert visit.subscriber().status is Status.UNSUBSCRIBED
    link = f"/confirm/{visit.token(Purpose.CONFIRM, reader)}"
    assert "Yes, send me the papers" in visit.browser.get(link).text
    assert "You’re subscribed" in visit.browser.post(link).text
    assert (visit.subscriber().status, visit.subscriber().preferences.papers) == (Status.CONFIRMED, 7)


def test_a_page_that_cannot_know_whether_mail_arrives_says_whom_to_ask(visit: Visit) -> None:
    for path in ("/subscribe", "/manage"):
        answer = visit.browser.post(path, data={"email": ADDRESS})
        assert "can get mail from us" in answer.text
        assert "Nothing after an hour? Check your spam folder, then write to us: help@example.org" in answer.text
        assert not re.search("sent you|on its way", answer.text)


def test_the_export_is_a_file_with_everything(visit: Visit) -> None:
    subscriber = visit.subscribed()
    answer = visit.browser.post(f"/preferences/{visit.token(Purpose.FRESH, subscriber)}", data={"action": "export"})
    assert "attachment" in answer.headers["content-disposition"]
    stored = answer.json()
    assert stored["subscriber"]["email"] == ADDRESS
    assert [mail["kind"] for mail in stored["mails"]] == ["confirmation"]


def test_erasing_needs_a_tick_and_ends_every_link(visit: Visit) -> None:
    subscriber = visit.subscribed()
    link = f"/preferences/{visit.token(Purpose.FRESH, subscriber)}"
    unsure = visit.browser.post(link, data={"action": "erase"})
    assert unsure.status_code == 400
    assert 'id="sure-wrong"' in unsure.text
    assert visit.subscriber() == subscriber
    assert "has been deleted" in visit.browser.post(link, data={"action": "erase", "sure": "yes"}).text
    assert ADDRESS not in repr(visit.everything())
    assert visit.browser.get(link).status_code == 404
    assert visit.browser.post(link, data={"papers": "3"}).status_code == 404
