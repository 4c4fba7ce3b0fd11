"""A lab without votes from elsewhere: its readers suggest and vote, and the next issue is ranked by it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest import wiring
from digest.database.engine import read_only
from digest.issues.publish import publish
from digest.issues.store import issue_on
from digest.papers.collecting import collect
from digest.papers.store import paper as paper_with_id
from digest.settings import Settings
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.tokens import Purpose
from digest.web.app import create_app
from tests.conftest import Clock
from tests.support.replay import Replay, Reply, replaying
from tests.web.conftest import SECRET, START, Visit

FEED = '<rss xmlns:a="http://arxiv.org/schemas/atom"><channel><pubDate>{}</pubDate>{}</channel></rss>'
ITEM = (
    "<item><title>Announced {0}</title><guid>oai:arXiv.org:2611.0000{0}v1</guid>"
    "<description>So.</description><a:announce_type>new</a:announce_type></item>"
)
ATOM = '<feed xmlns="http://www.w3.org/2005/Atom">{}</feed>'
ENTRY = "<entry><id>http://arxiv.org/abs/{0}v1</id><title>Suggested {0}</title><summary>So.</summary></entry>"


class Lab(Visit):
    """A site that takes suggestions, with an arXiv of its own."""

    def __init__(self, engine: Engine, settings: Settings, answers: Replay) -> None:
        super().__init__(engine, TestClient(create_app(engine, settings, lambda: None)))
        self.settings = settings
        self.arxiv = answers

    def suggest(self, subscriber: Subscriber, **form: str) -> str:
        return self.browser.post(f"/suggest/{self.token(Purpose.FEEDBACK, subscriber)}", data=form).text

    def collect(self, minutes: int) -> None:
        now = START + timedelta(minutes=minutes)
        collect(self.engine, wiring.sources(self.settings, self.engine), now.date(), now)

    def list_of_today(self) -> list[str]:
        publish(self.engine, wiring.plan(self.settings), START.date(), START + timedelta(hours=1))
        with read_only(self.engine) as connection:
            issue = issue_on(connection, "daily", START.date())
        assert issue is not None
        return [ranked.paper.id for ranked in issue.papers]


@pytest.fixture
def lab(engine: Engine, clock: Clock) -> Iterator[Lab]:
    clock.move_to(START)
    with replaying() as arxiv:
        items = "".join(ITEM.format(number) for number in (1, 2, 3))
        arxiv.answers("/rss/cs.LG", Reply(FEED.format("Mon, 23 Nov 2026 00:00:00 -0500", items).encode()))
        settings = Settings(
            secret_key=SECRET,
            sources="arxiv,readers",
            arxiv_url=arxiv.url,
            arxiv_feed_url=arxiv.url,
            arxiv_categories="cs.LG",
        )
        yield Lab(engine, settings, arxiv)


def test_readers_make_a_trending_list_of_their_own(lab: Lab) -> None:
    ada, bo = lab.subscribed("ada@example.org"), lab.subscribed("bo@example.org")
    lab.collect(0)
    assert "looked up" in lab.suggest(ada, paper="https://arxiv.org/abs/2611.09999v2")
    assert "waiting to be looked up" in lab.suggest(ada, paper="")
    lab.arxiv.answers("/api/query", Reply(ATOM.format(ENTRY.format("2611.09999")).encode()))
    lab.collect(20)
    lab.suggest(bo, vote="2611.09999")
    page = lab.suggest(bo, vote="2611.00002")
    assert "Suggested 2611.09999" in page
    assert "2 votes" in page
    lab.collect(40)
    with read_only(lab.engine) as connection:
        found = paper_with_id(connection, "2611.09999")
    assert found is not None
    assert found.paper.listed_at is not None
    assert found.paper.listed_at < START + timedelta(minutes=5), "ages count from when it was suggested"
    assert [(one.source, one.upvotes) for one in found.votes] == [("readers", 1), ("readers", 2)]
    assert lab.list_of_today()[:2] == ["2611.09999", "2611.00002"]


def test_a_paper_that_arxiv_does_not_know_is_refused_and_its_suggester_is_told(lab: Lab) -> None:
    ada = lab.subscribed()
    lab.suggest(ada, paper="2611.08888")
    lab.arxiv.answers("/api/query", Reply(ATOM.format("").encode()))
    lab.collect(20)
    page = lab.browser.get(f"/suggest/{lab.token(Purpose.FEEDBACK, ada)}").text
    assert "not accepted." in page
    assert "arXiv has no paper with this number" in page


def test_one_number_that_arxiv_cannot_read_spoils_no_other(lab: Lab) -> None:
    ada = lab.subscribed()
    for number in ("2611.07777", "alg-geom/9901001"):
        lab.suggest(ada, paper=number)
    problem = ENTRY.format("x").replace("http://arxiv.org/abs/xv1", "http://arxiv.org/api/errors#incorrect_id")
    refusal = Reply(ATOM.format(problem).encode(), status=400)
    lab.arxiv.answers("/api/query", refusal, Reply(ATOM.format(ENTRY.format("2611.07777")).encode()), refusal)
    lab.collect(20)
    page = lab.browser.get(f"/suggest/{lab.token(Purpose.FEEDBACK, ada)}").text
    assert "Suggested 2611.07777" in page
    assert "arXiv says" in page


def test_while_arxiv_is_away_suggestions_wait(lab: Lab) -> None:
    ada = lab.subscribed()
    lab.suggest(ada, paper="2611.07777")
    lab.arxiv.answers("/api/query", Reply(b"gone", status=404))
    lab.collect(20)
    assert "waiting to be looked up" in lab.browser.get(f"/suggest/{lab.token(Purpose.FEEDBACK, ada)}").text


@pytest.mark.parametrize("typed", ["", "attention", "2413.00001", "<script>", "x" * 400])
def test_a_bad_suggestion_is_told_at_its_field(lab: Lab, typed: str) -> None:
    ada = lab.subscribed()
    before = lab.everything()
    answer = lab.browser.post(f"/suggest/{lab.token(Purpose.FEEDBACK, ada)}", data={"paper": typed})
    assert answer.status_code == 400
    assert 'id="paper-wrong"' in answer.text
    assert 'aria-describedby="paper-wrong"' in answer.text
    assert "<script>" not in answer.text
    assert lab.everything() == before


def test_a_vote_can_be_given_and_taken_back_from_the_paper_of_a_mail(lab: Lab) -> None:
    ada = lab.subscribed()
    lab.collect(0)
    url = f"/feedback/{lab.token(Purpose.FEEDBACK, ada)}/more/2611.00001"
    assert 'name="vote" value="yes"' in lab.browser.get(url).text
    assert "has been counted" in lab.browser.post(url, data={"vote": "yes"}).text
    assert 'name="vote" value="no"' in lab.browser.get(url).text
    assert "has been removed" in lab.browser.post(url, data={"vote": "no"}).text


def test_who_left_is_told_that_suggestions_are_for_readers(lab: Lab) -> None:
    ada = lab.subscribed()
    subscriptions.unsubscribe(lab.engine, ada.id, START, "test")
    assert "not subscribed" in lab.suggest(ada, paper="2611.00001")


def test_where_the_operator_takes_none_there_is_no_such_page(visit: Visit) -> None:
    ada = visit.subscribed()
    for method in ("GET", "POST"):
        answer = visit.browser.request(method, f"/suggest/{visit.token(Purpose.FEEDBACK, ada)}")
        assert answer.status_code == 404
        assert "take suggestions here" in answer.text
