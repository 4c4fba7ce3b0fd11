"""A subscriber's lists as a feed, behind a link for nothing else."""

from xml.etree import ElementTree

import pytest

from digest.database.engine import transaction
from digest.subscribers import store
from digest.subscribers.tokens import Purpose
from tests.web.conftest import Visit
from tests.web.rendered_pages import fill, send_list

ATOM = "{http://www.w3.org/2005/Atom}"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


def path_of(visit: Visit) -> str:
    return f"/list/{visit.token(Purpose.FEED, visit.subscriber())}/feed.atom"


def test_it_has_the_papers_of_the_email_with_their_reasons_and_no_address(visit: Visit) -> None:
    fill(visit.engine)
    subscriber = visit.subscribed()
    send_list(visit, papers=2)
    answer = visit.browser.get(path_of(visit))
    assert answer.headers["content-type"].startswith("application/atom+xml")
    entries = ElementTree.fromstring(answer.content).findall(f"{ATOM}entry")
    assert len(entries) == 2
    assert all("“attention”" in entry.findtext(f"{ATOM}summary", "") for entry in entries)
    assert subscriber.email not in answer.text
    assert visit.token(Purpose.FEEDBACK, subscriber) not in answer.text
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["x-robots-tag"] == "noindex"
    again = visit.browser.get(path_of(visit), headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_it_is_empty_before_the_first_list_and_has_none_of_another(visit: Visit) -> None:
    fill(visit.engine)
    visit.subscribed()
    assert "<entry>" not in visit.browser.get(path_of(visit)).text
    send_list(visit)
    other = visit.token(Purpose.FEED, visit.subscribed("other@example.org"))
    assert "<entry>" not in visit.browser.get(f"/list/{other}/feed.atom").text


def test_no_link_of_a_forwarded_email_opens_it_or_names_it(visit: Visit) -> None:
    subscriber = visit.subscribed()
    for purpose in set(Purpose) - {Purpose.FEED}:
        assert visit.browser.get(f"/list/{visit.token(purpose, subscriber)}/feed.atom").status_code == 404
    assert "/list/" not in visit.browser.get(f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}").text
    feed = visit.token(Purpose.FEED, subscriber)
    for page in (f"/preferences/{feed}", f"/feedback/{feed}", f"/u/{feed}"):
        assert visit.browser.get(page).status_code == 404


def test_a_fresh_link_shows_its_address_which_works_until_links_are_turned_off(visit: Visit) -> None:
    subscriber = visit.subscribed()
    assert path_of(visit) in visit.browser.get(f"/preferences/{visit.token(Purpose.FRESH, subscriber)}").text
    path = path_of(visit)
    with transaction(visit.engine) as connection:
        store.revoke_links(connection, subscriber.id)
    assert visit.browser.get(path).status_code == 410
