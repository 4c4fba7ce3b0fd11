"""The papers that a subscriber saved for later, which no link of an email shows."""

import json

import bibtexparser
import pytest
import rispy
from sqlalchemy import func, select

from digest.database.engine import read_only, transaction
from digest.database.tables import papers, saved_papers
from digest.issues.personal_data import export
from digest.subscribers import erasing, store
from digest.subscribers.library import saved
from digest.subscribers.tokens import Purpose
from tests.conftest import Clock
from tests.web.conftest import START, Visit
from tests.web.rendered_pages import fill, send_list

FIRST, SECOND = "2603.00000", "2603.00001"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


def press(visit: Visit, paper: str, save: str = "yes") -> str:
    """Submit the form on the feedback page of a paper, and return the page that answers."""
    token = visit.token(Purpose.FEEDBACK, visit.subscriber())
    return visit.browser.post(f"/feedback/{token}/papers/{paper}", data={"save": save}).text


def address(visit: Visit) -> str:
    return f"/list/{visit.token(Purpose.LIST, visit.subscriber())}"


def stored(visit: Visit) -> list[str]:
    with read_only(visit.engine) as connection:
        return [entry.paper_id for entry in saved.saved_by(connection, visit.subscriber().id)]


def test_a_paper_is_saved_from_its_page_and_from_a_list_shown_exported_and_removed(visit: Visit, clock: Clock) -> None:
    fill(visit.engine)
    token = visit.token(Purpose.FEEDBACK, visit.subscribed())
    assert "You haven’t saved any papers yet" in visit.browser.get(address(visit)).text
    assert 'name="save" value="yes"' in visit.browser.get(f"/feedback/{token}/papers/{FIRST}").text
    assert "Saved for later" in press(visit, FIRST)
    clock.move_to(START.replace(hour=START.hour + 1))
    page = visit.browser.get(f"/feedback/{token}/issues/{send_list(visit, papers=2)}").text
    assert f'method="post" action="/feedback/{token}/papers/{SECOND}"' in page
    press(visit, SECOND)
    press(visit, FIRST)  # again: it keeps its place
    answer = visit.browser.get(address(visit))
    assert answer.text.index(f'value="{SECOND}"') < answer.text.index(f'value="{FIRST}"')
    assert (answer.headers["cache-control"], answer.headers["x-robots-tag"]) == ("no-store", "noindex")
    bib = visit.browser.get(f"{address(visit)}/saved.bib")
    assert [entry["eprint"] for entry in bibtexparser.parse_string(bib.text).entries] == [SECOND, FIRST]
    assert "attachment" in bib.headers["content-disposition"]
    assert len(rispy.loads(visit.browser.get(f"{address(visit)}/saved.ris").text)) == 2
    assert visit.browser.get(f"{address(visit)}/saved.pdf").status_code == 404
    assert "Removed." in visit.browser.post(address(visit), data={"remove": SECOND}).text
    assert "nothing to remove" in visit.browser.post(address(visit), data={"remove": SECOND}).text
    assert stored(visit) == [FIRST]
    assert press(visit, FIRST, "no").count("isn’t on your saved list") == 1
    assert stored(visit) == []


def test_a_feedback_link_never_says_what_is_on_the_list(visit: Visit) -> None:
    fill(visit.engine)
    subscriber = visit.subscribed()
    pages = [f"/feedback/{visit.token(Purpose.FEEDBACK, subscriber)}{rest}" for rest in ("", f"/papers/{FIRST}")]
    before = [visit.browser.get(page).text for page in pages], press(visit, FIRST)
    assert stored(visit) == [FIRST]
    assert ([visit.browser.get(page).text for page in pages], press(visit, FIRST)) == before
    assert press(visit, FIRST, "no") == press(visit, FIRST, "no")


def test_only_its_own_link_opens_it_and_that_opens_nothing_else(visit: Visit) -> None:
    fill(visit.engine)
    subscriber = visit.subscribed()
    press(visit, FIRST)
    for purpose in set(Purpose) - {Purpose.LIST}:
        other = f"/list/{visit.token(purpose, subscriber)}"
        answers = [visit.browser.get(other + rest) for rest in ("", "/saved.bib", "/saved.ris")]
        assert {answer.status_code for answer in (*answers, visit.browser.post(other, data={"remove": FIRST}))} == {404}
    token = visit.token(Purpose.LIST, subscriber)
    for page in ("/preferences/{}", "/feedback/{}", "/library/{}", "/u/{}", "/my/{}/next-email", "/list/{}/feed.atom"):
        assert visit.browser.get(page.format(token)).status_code == 404
    assert stored(visit) == [FIRST]


def test_a_fresh_link_shows_its_address_which_works_until_links_are_turned_off(visit: Visit) -> None:
    fill(visit.engine)
    subscriber = visit.subscribed()
    path = address(visit)
    assert f'"{path}"' in visit.browser.get(f"/preferences/{visit.token(Purpose.FRESH, subscriber)}").text
    assert "/list/" not in visit.browser.get(f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}").text
    feed = f"/list/{visit.token(Purpose.FEED, subscriber)}/feed.atom"
    assert f'"{feed}"' in visit.browser.get(path).text
    with transaction(visit.engine) as connection:
        store.revoke_links(connection, subscriber.id)
    assert {visit.browser.get(path + rest).status_code for rest in ("", "/saved.bib")} == {410}


def test_a_full_list_takes_no_more_and_has_pages(visit: Visit) -> None:
    fill(visit.engine)
    subscriber = visit.subscribed()
    rows = [
        {"subscriber_id": subscriber.id, "paper_id": f"<b>{number}", "saved_at": START}
        for number in range(saved.MAX_SAVED - 1)
    ]
    with transaction(visit.engine) as connection:
        connection.execute(saved_papers.insert(), rows)
    assert "Saved for later" in press(visit, FIRST)
    assert "Saved for later" in press(visit, FIRST), "it is on the list already"
    assert "Your saved list is full" in press(visit, SECOND)
    assert len(stored(visit)) == saved.MAX_SAVED
    last = visit.browser.get(f"{address(visit)}?page=10").text
    assert last.count('name="remove"') == 100
    assert "<b>" not in last
    assert visit.browser.get(f"{address(visit)}?page=11").status_code == 404


@pytest.mark.parametrize("sent", [{"save": "maybe"}, {"save": ""}, {"save": ["no", "yes' OR 1=1"]}])
def test_nothing_is_saved_by_what_no_button_sends(visit: Visit, sent: dict[str, str]) -> None:
    fill(visit.engine)
    token = visit.token(Purpose.FEEDBACK, visit.subscribed())
    assert visit.browser.post(f"/feedback/{token}/more/{FIRST}", data=sent).status_code == 400
    assert visit.browser.post(f"/feedback/{token}/papers/nothing", data={"save": "yes"}).status_code == 404
    assert visit.browser.post(address(visit), data={"remove": "x" * 9000}).status_code == 200
    assert stored(visit) == []


def test_a_deleted_paper_is_named_by_its_number_and_left_out_of_the_file(visit: Visit) -> None:
    fill(visit.engine)
    visit.subscribed()
    with transaction(visit.engine) as connection:
        row = {"subscriber_id": visit.subscriber().id, "paper_id": "2603.99999", "saved_at": START}
        connection.execute(saved_papers.insert(), [row])
        assert not connection.scalar(select(func.count()).where(papers.c.id == "2603.99999"))
    assert "2603.99999</span>: no longer in our archive" in visit.browser.get(address(visit)).text
    assert "2603.99999" not in visit.browser.get(f"{address(visit)}/saved.bib").text
    assert "Removed." in visit.browser.post(address(visit), data={"remove": "2603.99999"}).text


def test_it_is_in_the_export_and_gone_with_its_subscriber(visit: Visit) -> None:
    fill(visit.engine)
    subscriber = visit.subscribed()
    press(visit, FIRST)
    data = export(visit.engine, subscriber.id)
    assert data is not None
    assert [entry["paper_id"] for entry in json.loads(json.dumps(data))["saved"]] == [FIRST]
    with transaction(visit.engine) as connection:
        assert erasing.erase(connection, subscriber.id, subscriber.key)
    with read_only(visit.engine) as connection:
        assert connection.scalar(select(func.count()).select_from(saved_papers)) == 0
