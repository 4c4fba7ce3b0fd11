"""The page after confirming: the papers of the first issue, and topics that choose them anew."""

import re
from datetime import timedelta

from digest.ledger.kinds import Status
from digest.subscribers.tokens import Purpose
from tests.conftest import Clock
from tests.support.scenario import ON_SQLITE, add_papers, cut
from tests.web.conftest import ADDRESS, START, Visit

pytestmark = ON_SQLITE


def confirmed(visit: Visit) -> tuple[str, str]:
    """The address of the page after a subscriber has confirmed by one click, and its text."""
    visit.browser.post("/subscribe", data={"email": ADDRESS})
    page = visit.browser.post(f"/confirm/{visit.token(Purpose.CONFIRM, visit.subscriber())}")
    return page.url.path, page.text


def papers_on(text: str) -> list[str]:
    return re.findall(r'class="title" dir="auto"><a href="/papers/([^"]+)"', text)


def with_vision(visit: Visit) -> None:
    """An issue whose last paper alone is about vision."""
    morning = START - timedelta(hours=4)
    add_papers(visit.engine, range(20), seen_at=morning, listed_at=morning)
    add_papers(visit.engine, range(20, 21), seen_at=morning, listed_at=morning, categories=("cs.CV",))
    cut(visit.engine, START.date(), morning)


def test_confirming_shows_the_first_papers_and_topics_which_choose_them_anew(visit: Visit) -> None:
    with_vision(visit)
    path, text = confirmed(visit)
    assert "Your first issue is on its way" in text
    before = papers_on(text)
    assert len(before) == text.count('<p class="why"') == 5
    assert "Top of today’s ranking" in text
    assert "2603.00020" not in before
    after = visit.browser.post(path, data={"topics": "vision"}).text
    assert "Saved." in after
    assert "2603.00020" in papers_on(after)
    assert "You follow computer vision · new in cs.CV" in after
    assert visit.subscriber().preferences.topics == ("vision",)
    assert papers_on(visit.browser.get(path).text) == papers_on(after)
    assert visit.queued().count("digest") == 1


def test_without_an_issue_on_its_way_the_page_says_so_and_shows_the_newest(visit: Visit, clock: Clock) -> None:
    with_vision(visit)
    clock.move_to(START + timedelta(days=4))
    _path, text = confirmed(visit)
    assert "The next issue is the first one you’ll get" in text
    assert len(papers_on(text)) == 5


def test_before_the_first_issue_there_are_topics_alone(visit: Visit) -> None:
    path, text = confirmed(visit)
    assert (papers_on(text), 'name="topics"' in text) == ([], True)
    assert visit.browser.post(path, data={"topics": "x"}).status_code == 400


def test_a_confirmation_that_was_used_opens_nothing_of_the_subscriber(visit: Visit) -> None:
    confirmed(visit)
    link = f"/confirm/{visit.token(Purpose.CONFIRM, visit.subscriber())}"
    for answer in (visit.browser.get(link), visit.browser.post(link)):
        assert "You’re subscribed" in answer.text
        assert "/my/" not in answer.url.path + answer.text
        assert "/preferences/" not in answer.text


def test_only_the_link_to_the_preferences_opens_it_and_only_for_subscribers(visit: Visit) -> None:
    path, _text = confirmed(visit)
    for purpose in (Purpose.FEEDBACK, Purpose.UNSUBSCRIBE, Purpose.CONFIRM):
        assert visit.browser.get(f"/my/{visit.token(purpose, visit.subscriber())}/welcome").status_code == 404
    visit.browser.post(f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscriber())}")
    assert visit.subscriber().status is Status.UNSUBSCRIBED
    assert visit.browser.get(path).url.path.startswith("/preferences/")
