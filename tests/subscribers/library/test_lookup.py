"""Looking libraries up: services that do not answer, a process that is killed, and papers that are not at arXiv."""

import contextlib
from collections import Counter
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import event, select

from digest import wiring
from digest.database.engine import read_only
from digest.database.tables import library_entries, library_papers
from digest.settings import Settings
from digest.subscribers.library import library
from digest.subscribers.library.lookup import look_up
from tests.support.replay import Replay, Reply, json_reply, replaying
from tests.support.scenario import MORNING, ON_SQLITE, add_papers, add_subscriber

NUMBERS = [f"1903.{number:05}" for number in range(250)]
TITLES = [f"A study of subject{number} and its places" for number in range(25)]
ENTRY = "<entry><id>http://arxiv.org/abs/{0}v1</id><title>{1}</title><summary>All about it.</summary></entry>"
WORDS = " ".join(["spectral clustering of nodes in graphs by passing messages"] * 5)


class Catalogues(Replay):
    """arXiv and Crossref: each knows what it is asked for. `fails` answers in place of one of them."""

    def __init__(self, data=None):
        super().__init__(data)
        self.fails = {}

    def reply(self, target):
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        asked = " ".join(query.get("id_list", query.get("search_query", query.get("filter", [""]))))
        for part, reply in self.fails.items():
            if part in path or part in asked:
                return reply
        if path == "/works":
            items = [{"DOI": doi.removeprefix("doi:").upper(), **PUBLISHED} for doi in asked.split(",")]
            return json_reply({"message": {"items": items}})
        if path != "/api/query":
            return super().reply(target)
        papers = [(number, f"Number {number}") for number in NUMBERS if number in asked]
        papers += [(f"1801.{place:05}", title) for place, title in enumerate(TITLES) if f'"{title}"' in asked]
        feed = "".join(ENTRY.format(*paper) for paper in papers)
        return Reply(f'<feed xmlns="http://www.w3.org/2005/Atom">{feed}</feed>'.encode())

    def asked_for(self):
        """Count the requests for each number, DOI and title."""
        queries = [parse_qs(urlsplit(target).query) for target, _headers in self.asked]
        numbers = [number for query in queries for number in query.get("id_list", [""])[0].split(",")]
        phrases = [phrase for query in queries for phrase in query.get("search_query", [""])[0].split(" OR ")]
        dois = [doi for query in queries for doi in query.get("filter", [""])[0].split(",")]
        return Counter(filter(None, (*numbers, *phrases, *dois)))


PUBLISHED = {"title": ["Nodes of a graph"], "abstract": f"<jats:title>Abstract</jats:title><jats:p>{WORDS}.</jats:p>"}


@pytest.fixture
def catalogues():
    with replaying(kind=Catalogues) as replay:
        yield replay


@pytest.fixture
def ada(engine):
    return add_subscriber(engine, "ada@example.com")


def run(engine, catalogues, minutes=0.0):
    """Run the scheduler's job, so many minutes later."""
    url = catalogues.url
    own = Settings(arxiv_url=url, crossref_url=url, zotero_url=url, source_timeout_seconds=1, contact="ada@example.org")
    return look_up(engine, wiring.libraries(own), MORNING + timedelta(minutes=minutes))


def bring(engine, ada, *lines):
    library.add(engine, ada.id, "\n".join(lines).encode(), MORNING)


def states(engine):
    with read_only(engine) as connection:
        return dict(Counter(connection.scalars(select(library_entries.c.state))))


class Killed(BaseException):
    """The process ends here."""


@contextlib.contextmanager
def ends_at_change(engine, number):
    """Let the process end before the statement that changes something for the so-manieth time."""
    left = [number]

    def listen(_connection, _cursor, statement, *_others):
        if statement.split()[0] in ("INSERT", "UPDATE", "DELETE"):
            left[0] -= 1
            if not left[0]:
                raise Killed

    event.listen(engine, "before_cursor_execute", listen)
    yield
    event.remove(engine, "before_cursor_execute", listen)


@ON_SQLITE
def test_a_run_that_is_killed_at_any_step_is_completed_without_asking_again_for_more_than_one_batch(
    engine, ada, catalogues
):
    bring(engine, ada, *NUMBERS, *TITLES, "10.1145/1.1", "10.1145/1.2")
    killed = 0
    for step in (1, 3, 60, 160, 100):
        with ends_at_change(engine, step), contextlib.suppress(Killed):
            run(engine, catalogues)
            pytest.fail("it was to end before")
        killed += 1
    run(engine, catalogues)
    assert states(engine) == {"matched": 277}
    again = [times - 1 for times in catalogues.asked_for().values() if times > 1]
    assert sum(again) <= 100 * killed
    assert not run(engine, catalogues)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"slow down", status=429, headers={"Retry-After": "600"}),
        Reply(b"broken", status=500),
        Reply(b"<html>maintenance"),
        Reply(b'<feed xmlns="http://www.w3.org/2005/Atom"><totalResults>1</totalResults></feed>'),
        Reply(drip=True),
    ],
)
@ON_SQLITE
def test_a_service_that_does_not_answer_is_asked_later_each_time_while_the_others_go_on(engine, ada, catalogues, reply):
    add_papers(engine, range(1))
    bring(engine, ada, NUMBERS[0], "2603.00000", "10.1145/1.1")
    catalogues.fails = {"/api/query": reply}
    assert run(engine, catalogues)
    assert states(engine) == {"matched": 2, "waiting": 1}
    assert library.view(engine, ada.id, 1, MORNING).silent
    tried = []
    for seconds in range(0, 900, 15):
        before = len(catalogues.asked)
        run(engine, catalogues, seconds / 60)
        tried += [seconds] * (len(catalogues.asked) > before)
    assert tried == [30, 90, 210, 450]
    catalogues.fails = {}
    run(engine, catalogues, minutes=60)
    assert states(engine) == {"matched": 3}
    assert not library.view(engine, ada.id, 1, MORNING).silent


@ON_SQLITE
def test_one_entry_that_arxiv_cannot_answer_does_not_hold_up_the_others(engine, ada, catalogues):
    bring(engine, ada, *TITLES)
    catalogues.fails = {TITLES[3]: Reply(b"broken", status=500)}
    for minutes in range(10):
        run(engine, catalogues, minutes)
    assert states(engine) == {"matched": 24, "waiting": 1}


@ON_SQLITE
def test_entries_are_given_up_after_three_days_and_those_with_an_abstract_count_by_it(engine, ada, catalogues):
    bring(
        engine,
        ada,
        f"@article{{a, title={{{TITLES[0]}}}, abstract={{{WORDS}}}}}",
        f"@article{{b, title={{{TITLES[1]}}}}}",
    )
    catalogues.fails = {"/api/query": Reply(b"broken", status=500)}
    run(engine, catalogues, minutes=60 * 71)
    assert states(engine) == {"waiting": 2}
    run(engine, catalogues, minutes=60 * 73)
    assert states(engine) == {"matched": 1, "missing": 1}


def test_a_doi_elsewhere_is_looked_up_at_crossref_and_without_an_abstract_there_by_its_title(engine, ada, catalogues):
    bring(engine, ada, "https://doi.org/10.1145/1.1", "https://dl.acm.org/doi/abs/10.1145/1.2", "10.1145/1,3")
    run(engine, catalogues)
    with read_only(engine) as connection:
        kept = {(row.title, row.abstract) for row in connection.execute(select(library_papers))}
    assert kept == {("Nodes of a graph", f"{WORDS}.")}
    (target, _headers), *others = catalogues.asked
    assert parse_qs(urlsplit(target).query)["mailto"] == ["ada@example.org"]
    assert not others
    assert states(engine) == {"matched": 2, "missing": 1}, "a comma separates filters, so that one was not asked for"
