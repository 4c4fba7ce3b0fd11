"""A library: brought by a page, looked up in the background, seen in the next list, and taken back."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from digest import wiring
from digest.database.engine import read_only
from digest.database.tables import library_papers, paper_vectors
from digest.issues.personal_data import export
from digest.issues.profiles import feedback_summary
from digest.settings import Settings
from digest.subscribers import subscriptions
from digest.subscribers.library.lookup import look_up
from digest.subscribers.paper_feedback import has_liked
from digest.subscribers.tokens import Purpose
from tests.issues.profiles.builders import GRAPHS, NEW_GRAPHS, fill, learn, list_of, paper_id
from tests.support.replay import Replay, Reply, json_reply, replaying
from tests.support.scenario import MORNING, add_subscriber, cut
from tests.web.conftest import SECRET

OWN = [f"1903.{number:05}" for number in range(3)]
ENTRY = "<entry><id>http://arxiv.org/abs/{0}v1</id><title>{1}</title><summary>{2}</summary></entry>"
BIB = (
    "".join(f"@article{{k{n}, title={{Own {n}}}, eprint={{{number}}}}}\n" for n, number in enumerate(OWN))
    + "@article{t, title={The {Nodes} of a long lost graph}}\n@article{s, title={Graphs and their nodes}}\n"
    + "@article{u, title={Unheard of}, eprint={1903.99999}}\n"
)


class ArxivReplay(Replay):
    """Has three papers by number and one by title."""

    def reply(self, target):
        parts = urlsplit(target)
        if parts.path != "/api/query":
            return super().reply(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        numbers = [number for number in query.get("id_list", "").split(",") if number in OWN]
        papers = [ENTRY.format(number, f"Own {number}", GRAPHS) for number in numbers]
        if "long lost graph" in query.get("search_query", ""):
            papers.append(ENTRY.format("1801.00001", "The nodes of a long-lost graph", GRAPHS))
        return Reply(f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join(papers)}</feed>'.encode())


@pytest.fixture
def sources():
    with replaying(kind=ArxivReplay) as replay:
        yield replay


def run(visit, sources, now=MORNING):
    """Run the scheduler's job."""
    settings = Settings(secret_key=SECRET, arxiv_url=sources.url, crossref_url=sources.url, zotero_url=sources.url)
    return look_up(visit.engine, wiring.libraries(settings), now)


def stored(visit, table):
    with read_only(visit.engine) as connection:
        return set(connection.scalars(select(table.c[0 if table is library_papers else 1])))


def test_a_file_is_looked_up_shapes_the_next_list_and_leaves_nothing_when_it_is_removed(visit, clock, sources):
    fill(visit.engine)
    ada = add_subscriber(visit.engine, "ada@example.com", papers=6)
    address = f"/library/{visit.token(Purpose.MANAGE, ada)}"
    clock.move_to(MORNING)
    page = visit.browser.post(address, data={"action": "add"}, files={"file": ("my.bib", BIB.encode())})
    assert "6 entries added" in page.text
    assert "Looked up: 0 of 6" in page.text
    assert "Own 1" not in page.text
    assert (
        visit.browser.post(address, data={"action": "add", "text": OWN[0]}).text.count("in your library already") == 1
    )

    assert run(visit, sources)
    assert not run(visit, sources)
    learn(visit.engine, MORNING)
    assert "Looked up: 6 of 6. Found: 5. Not found: 1." in visit.browser.get(address).text
    assert stored(visit, library_papers) == {*OWN, "1801.00001"}
    cut(visit.engine)
    own = [pick for pick in list_of(visit.engine, ada).picks if "which is in your library" in pick.why]
    assert len(own) >= 3
    assert {pick.paper_id for pick in own} <= {paper_id(number) for number in (*NEW_GRAPHS, 101, 102, 103, 104, 105)}
    words = feedback_summary(visit.engine, ada).words
    assert words
    with read_only(visit.engine) as connection:
        assert has_liked(connection, ada.id), "a library is enough for only what they follow"
    forwarded = visit.browser.get(f"/feedback/{visit.token(Purpose.FEEDBACK, ada)}").text
    learned = visit.browser.get(f"/library/{visit.token(Purpose.FRESH, ada)}").text
    for told in ("Your library has papers on", f"The words that count most: {words[0]}"):
        assert (told in forwarded, told in learned) == (False, True)
    assert "Your library has papers on" not in visit.browser.get(address).text

    fresh = f"/library/{visit.token(Purpose.FRESH, ada)}"
    assert visit.browser.post(address, data={"action": "clear", "sure": "yes"}).status_code == 403
    page = visit.browser.get(fresh).text
    assert page.index("arXiv has no paper with this title") < page.index("Own 1903.00001")
    entries = export(visit.engine, ada.id)["library"]["entries"]
    assert "Removed." in visit.browser.post(fresh, data={"action": "remove", "remove": entries[0]["id"]}).text
    assert "Tick the box" in visit.browser.post(fresh, data={"action": "clear"}).text
    assert "5 entries removed" in visit.browser.post(fresh, data={"action": "clear", "sure": "yes"}).text
    assert export(visit.engine, ada.id)["library"]["entries"] == []
    assert export(visit.engine, ada.id)["profiles"] == []
    assert not stored(visit, library_papers)
    assert not stored(visit, paper_vectors) & set(OWN)


def test_a_library_is_erased_with_its_subscriber_and_one_that_another_shares_stays(visit, sources):
    ada, ben = (add_subscriber(visit.engine, f"{name}@example.com") for name in ("ada", "ben"))
    for subscriber, text in ((ada, " ".join(OWN[:2])), (ben, OWN[0])):
        visit.browser.post(f"/library/{visit.token(Purpose.MANAGE, subscriber)}", data={"text": text})
    run(visit, sources)
    assert stored(visit, library_papers) == set(OWN[:2])
    subscriptions.erase(visit.engine, ada.id, MORNING + timedelta(days=1))
    assert stored(visit, library_papers) == {OWN[0]}


def test_while_arxiv_does_not_answer_the_page_says_so_and_nothing_is_lost(visit, clock, sources):
    clock.move_to(MORNING)
    ada = add_subscriber(visit.engine, "ada@example.com")
    address = f"/library/{visit.token(Purpose.MANAGE, ada)}"
    visit.browser.post(address, data={"text": OWN[0]})
    sources.reply, answering = (lambda _target: Reply(b"gone", status=404)), sources.reply
    run(visit, sources)
    page = visit.browser.get(address).text
    assert "Looked up: 0 of 1" in page
    assert "isn’t answering. We’ll keep trying" in page
    sources.reply = answering
    clock.move_to(MORNING + timedelta(minutes=1))
    run(visit, sources, MORNING + timedelta(minutes=1))
    page = visit.browser.get(address).text
    assert "Looked up: 1 of 1" in page
    assert "isn’t answering" not in page


def test_a_public_library_at_zotero_is_read_page_by_page(visit, sources):
    ada = add_subscriber(visit.engine, "ada@example.com")
    address = f"/library/{visit.token(Purpose.MANAGE, ada)}"
    items = [{"data": {"itemType": "note", "note": "x"}}] * 99
    sources.answers(
        "/users/475425/items/top",
        json_reply([*items, {"data": {"itemType": "preprint", "title": "Own", "archiveID": f"arXiv:{OWN[0]}"}}]),
        json_reply([{"data": {"itemType": "preprint", "title": "Own", "url": f"http://arxiv.org/abs/{OWN[1]}"}}]),
    )
    assert "Enter the number" in visit.browser.post(address, data={"action": "zotero", "zotero": "../x"}).text
    visit.browser.post(address, data={"action": "zotero", "zotero": "475425"})
    for _ in range(3):
        run(visit, sources)
    page = visit.browser.get(address).text
    assert "We’ve read Zotero library 475425: 101 items" in page
    assert "Looked up: 2 of 2. Found: 2." in page
