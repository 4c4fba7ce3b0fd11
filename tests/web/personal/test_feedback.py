"""Feedback links, the page of all feedback and the reason for leaving, as a browser without scripts sees them."""

import re
from datetime import timedelta

import pytest

from digest.database.engine import read_only
from digest.ledger.events import latest
from digest.ledger.kinds import Status
from digest.subscribers import subscriptions
from digest.subscribers.paper_feedback import FeedbackKind, feedback_by
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.tokens import Purpose, sign
from tests.conftest import Clock
from tests.support.scenario import add_papers
from tests.web.conftest import ADDRESS, START, Visit

PAPER = "2603.00001"


@pytest.fixture
def ada(visit: Visit) -> Subscriber:
    add_papers(visit.engine, range(1, 4), START - timedelta(hours=3), title="<b>Seeing & believing</b>")
    return visit.subscribed()


def said(visit: Visit, subscriber: Subscriber) -> dict[str, FeedbackKind]:
    with read_only(visit.engine) as connection:
        return {one.paper_id: one.kind for one in feedback_by(connection, subscriber.id)}


def link(visit: Visit, subscriber: Subscriber, word: str = "more", paper_id: str = PAPER) -> str:
    return f"/feedback/{visit.token(Purpose.FEEDBACK, subscriber)}/{word}/{paper_id}"


# --- one paper ---


@pytest.mark.parametrize("word", ["papers", "more", "less", "read"])
def test_opening_a_link_shows_buttons_and_pressing_one_acts(visit: Visit, ada: Subscriber, word: str) -> None:
    page = visit.browser.get(link(visit, ada, word))
    assert page.status_code == 200
    assert "&lt;b&gt;Seeing &amp; believing&lt;/b&gt;" in page.text
    buttons = re.findall(r'<button[^>]* name="say"[^>]*>', page.text)
    assert [('class="quiet"' in button, "pressed" in button) for button in buttons] == [(True, False)] * 3
    assert said(visit, ada) == {}
    word = "more" if word == "papers" else word
    answer = visit.browser.post(link(visit, ada, word), data={"say": word})
    assert "Got it: " in answer.text or "Marked as read." in answer.text
    assert 'name="undo"' in answer.text
    assert said(visit, ada) == {PAPER: FeedbackKind(word)}


def test_a_post_without_a_word_means_what_the_link_says(visit: Visit, ada: Subscriber) -> None:
    visit.browser.post(link(visit, ada, "less"))
    assert said(visit, ada) == {PAPER: FeedbackKind.LESS}


def test_undoing_and_changing_ones_mind(visit: Visit, ada: Subscriber) -> None:
    url = link(visit, ada)
    visit.browser.post(url, data={"say": "more"})
    assert 'value="more" aria-pressed="true"' in visit.browser.get(url).text
    assert "Marked as read" in visit.browser.post(url, data={"say": "read"}).text
    assert said(visit, ada) == {PAPER: FeedbackKind.READ}
    assert "Undone" in visit.browser.post(url, data={"undo": "yes"}).text
    assert said(visit, ada) == {}


def test_a_topic_of_the_paper_can_be_muted_and_heard_again(visit: Visit) -> None:
    add_papers(visit.engine, range(1, 2), categories=("cs.CV",))
    ada = visit.subscribed()
    url = link(visit, ada)
    assert 'name="mute" value="vision"' in visit.browser.get(url).text
    answer = visit.browser.post(url, data={"mute": "vision"})
    assert 'name="unmute" value="vision"' in answer.text
    assert visit.subscriber().preferences.muted_topics == ("vision",)
    visit.browser.post(url, data={"unmute": "vision"})
    assert visit.subscriber().preferences.muted_topics == ()
    assert said(visit, ada) == {}, "muting says nothing of the paper"


@pytest.mark.parametrize("form", [{"say": "love"}, {"mute": "astrology"}, {"vote": "twice"}])
def test_a_word_that_no_button_has_changes_nothing(visit: Visit, ada: Subscriber, form: dict[str, str]) -> None:
    before = visit.everything()
    answer = visit.browser.post(link(visit, ada), data=form)
    assert answer.status_code == 400
    assert 'role="alert">Use one of the buttons.' in answer.text
    assert visit.everything() == before


def test_an_unknown_paper_gets_a_friendly_page(visit: Visit, ada: Subscriber) -> None:
    before = visit.everything()
    for paper_id in ("1234.56789", "x" * 200, "%00", "%F0%9F%98%80", "hf:a//b"):
        for method in ("GET", "POST"):
            answer = visit.browser.request(method, link(visit, ada, paper_id=paper_id))
            assert answer.status_code == 404
            assert "We don’t have this paper" in answer.text
    assert visit.browser.get(link(visit, ada, "love")).status_code == 404
    assert visit.everything() == before


def test_a_link_of_last_year_says_so_and_changes_nothing(visit: Visit, ada: Subscriber, clock: Clock) -> None:
    url = link(visit, ada)
    clock.move_to(START + timedelta(days=366))
    for method in ("GET", "POST"):
        answer = visit.browser.request(method, url)
        assert answer.status_code == 410
        assert "has expired" in answer.text
    assert said(visit, ada) == {}


def test_other_links_and_other_keys_open_no_feedback(visit: Visit, ada: Subscriber) -> None:
    foreign = sign(Purpose.FEEDBACK, ada.id, START, [b"another key, as long as it has to be"])
    for token in (visit.token(Purpose.UNSUBSCRIBE, ada), visit.token(Purpose.MANAGE, ada), foreign, "x" * 32, "x"):
        for page in (f"/feedback/{token}/more/{PAPER}", f"/feedback/{token}"):
            assert visit.browser.post(page, data={"say": "more"}).status_code == 404
    assert said(visit, ada) == {}


def test_a_feedback_link_leads_to_nothing_else_of_its_reader(visit: Visit, ada: Subscriber) -> None:
    """A forwarded message has the links of its first recipient."""
    for page in (link(visit, ada), f"/feedback/{visit.token(Purpose.FEEDBACK, ada)}"):
        for answer in (visit.browser.get(page), visit.browser.post(page)):
            assert "/preferences/" not in answer.text
            assert ADDRESS not in answer.text
            assert "set-cookie" not in answer.headers


def test_another_sites_form_is_refused(visit: Visit, ada: Subscriber) -> None:
    answer = visit.browser.post(link(visit, ada), headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert said(visit, ada) == {}


# --- taste ---


def test_the_page_of_taste_shows_everything_and_undoes_each(visit: Visit, ada: Subscriber) -> None:
    for word, number in (("more", 1), ("less", 2), ("read", 3)):
        visit.browser.post(link(visit, ada, word, f"2603.0000{number}"))
    url = f"/feedback/{visit.token(Purpose.FRESH, ada)}"
    page = visit.browser.get(url).text
    for shown in ("More like this", "Less like this", "Already read", "&lt;b&gt;Seeing"):
        assert shown in page
    visit.browser.post(url, data={"forget": "2603.00002"})
    assert set(said(visit, ada)) == {"2603.00001", "2603.00003"}
    unsure = visit.browser.post(url, data={"action": "reset"})
    assert unsure.status_code == 400
    assert 'id="sure-wrong"' in unsure.text
    assert len(said(visit, ada)) == 2
    visit.browser.post(url, data={"action": "reset", "sure": "yes"})
    assert said(visit, ada) == {}


def test_the_preferences_lead_to_it(visit: Visit, ada: Subscriber) -> None:
    page = visit.browser.get(f"/preferences/{visit.token(Purpose.MANAGE, ada)}").text
    address = page.partition('href="/feedback/')[2].partition('"')[0]
    assert visit.browser.get(f"/feedback/{address}").status_code == 200
    assert "/suggest/" not in page, "not where the operator takes no suggestions"


def test_wishes_and_mutes_are_shown_saved_and_told_at_their_fields(visit: Visit, ada: Subscriber) -> None:
    url = f"/preferences/{visit.token(Purpose.MANAGE, ada)}"
    wrong = {"categories": "cs.XX", "authors": "A", "labs": "x" * 61, "muted_words": "y", "muted_topics": "astrology"}
    answer = visit.browser.post(url, data=wrong)
    assert answer.status_code == 400
    for name in wrong:
        assert f'id="{name}-wrong"' in answer.text
        assert f'aria-describedby="{name}-wrong' in answer.text
        assert f'href="#{name}"' in answer.text
    right = {"categories": "cs.CL", "authors": "Ada Lovelace", "labs": "MIT", "muted_words": "survey", "surprise": "no"}
    visit.browser.post(url, data=right | {"muted_topics": ["", "vision"]})
    page = visit.browser.get(url).text
    for shown in ('value="cs.CL"', 'value="Ada Lovelace"', 'value="MIT"', 'value="survey"'):
        assert shown in page
    assert 'name="muted_topics" value="vision" checked' in page
    assert 'name="surprise" value="yes">' in page


# --- leaving ---


def test_a_reason_for_leaving_is_asked_once_and_optional(visit: Visit, ada: Subscriber) -> None:
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, ada)}"
    assert 'name="why" value="too many"' in visit.browser.post(url).text
    form = {"tell": "yes", "why": "too many", "words": "It was\r\ngood, though."}
    assert "Thanks for telling us" in visit.browser.post(url, data=form).text
    visit.browser.post(url, data=form)
    with read_only(visit.engine) as connection:
        reasons = [event.detail for event in latest(connection, 100) if event.what == subscriptions.SAID_WHY]
    assert reasons == [{"reason": "too many", "words": "It was\ngood, though."}]


def test_a_bad_reason_is_told_at_its_field(visit: Visit, ada: Subscriber) -> None:
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, ada)}"
    visit.browser.post(url)
    for form, name in (
        ({"why": "spite"}, "why"),
        ({}, "why"),
        ({"why": "other", "words": "x" * 501}, "words"),
    ):
        answer = visit.browser.post(url, data={"tell": "yes"} | form)
        assert answer.status_code == 400
        assert f'id="{name}-wrong"' in answer.text


def test_telling_a_reason_unsubscribes_nobody_and_one_click_is_never_a_reason(visit: Visit, ada: Subscriber) -> None:
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, ada)}"
    visit.browser.post(url, data={"tell": "yes", "why": "other"})
    assert visit.subscriber().status is Status.CONFIRMED
    visit.browser.post(url, data={"tell": "yes", "why": "other", "List-Unsubscribe": "One-Click"})
    assert visit.subscriber().status is Status.UNSUBSCRIBED
