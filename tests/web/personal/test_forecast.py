"""The form of preferences says how many papers "only what I follow" would have brought lately."""

from digest.subscribers import subscriptions
from digest.subscribers.admission import FORECASTS_A_MINUTE
from digest.subscribers.paper_feedback import FeedbackKind, give
from digest.subscribers.subscriber import Balance, Preferences
from digest.subscribers.tokens import Purpose
from tests.support.scenario import ON_SQLITE
from tests.web.conftest import START, Visit

pytestmark = ON_SQLITE
BROUGHT = "With “Only what I follow”, you’d have had 3 papers in 3 emails over the last 3 days."
NONE = "With “Only what I follow”, no paper would have come over the last 3 days."


def link_of(visit: Visit) -> str:
    return f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}"


def test_it_is_on_the_page_and_follows_the_form(filled: Visit) -> None:
    link = link_of(filled)
    page = filled.browser.get(link)
    assert f"data-forecast>{NONE}</p>" in page.text
    assert "connect-src 'self'" in page.headers["Content-Security-Policy"]
    before = filled.everything()

    def said(**form: str | list[str]) -> str:
        answer = filled.browser.post(f"{link}/forecast", data=form)
        assert answer.status_code == 200
        return str(answer.json()["text"])

    typed = {"keywords": "quantization", "balance": "only"}
    assert said(**typed) == BROUGHT
    assert said(**typed, categories="no-such-category", hour="x") == BROUGHT
    assert said(**typed, papers="1", muted_words="telephone") == NONE
    assert said() == said(balance="only") == NONE
    assert filled.everything() == before
    filled.browser.post(link, data=typed)
    assert BROUGHT in filled.browser.get(link).text
    assert BROUGHT in filled.browser.post(link, data=typed).text


def test_only_the_subscriber_may_ask_and_not_without_end(filled: Visit) -> None:
    link = link_of(filled)
    other = f"/preferences/{filled.token(Purpose.FEEDBACK, filled.subscriber())}/forecast"
    assert filled.browser.post(other).status_code == 404
    assert filled.browser.get(f"{link}/forecast").status_code == 404
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert filled.browser.post(f"{link}/forecast", headers=foreign).status_code == 403
    answers = [filled.browser.post(f"{link}/forecast") for _ in range(FORECASTS_A_MINUTE + 5)]
    assert {answer.status_code for answer in answers[: FORECASTS_A_MINUTE - 5]} == {200}
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"] == "1"


def test_who_follows_nothing_is_told_instead_of_getting_nothing_for_ever(filled: Visit) -> None:
    link, subscriber = link_of(filled), filled.subscriber()
    refused = filled.browser.post(link, data={"balance": "only"})
    assert refused.status_code == 400
    assert "You don’t follow anything yet and haven’t liked any paper" in refused.text
    assert filled.subscriber().preferences.balance is Balance.BOTH
    give(filled.engine, subscriber.id, "2603.00000", FeedbackKind.LESS, START)
    assert filled.browser.post(link, data={"balance": "only"}).status_code == 400
    give(filled.engine, subscriber.id, "2603.00001", FeedbackKind.MORE, START)
    assert "Saved." in filled.browser.post(link, data={"balance": "only"}).text
    silent = "So you won’t get any issues."
    assert silent not in filled.browser.get(link).text
    feedback = f"/feedback/{filled.token(Purpose.FEEDBACK, subscriber)}"
    assert silent not in filled.browser.get(f"{feedback}/more/2603.00001").text
    assert silent in filled.browser.post(f"{feedback}/more/2603.00001", data={"undo": "yes"}).text
    assert silent in filled.browser.get(feedback).text
    assert silent in filled.browser.get(link).text
    follows = Preferences(topics=("graphs",), balance=Balance.ONLY)
    subscriptions.change_preferences(filled.engine, subscriber.id, follows, START)
    assert silent not in filled.browser.get(link).text
