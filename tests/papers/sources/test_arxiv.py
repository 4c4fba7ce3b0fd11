"""arXiv: recorded answers of the export API and the announcement feeds, whole and cut."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from digest.papers.sources.arxiv import Arxiv
from digest.papers.sources.arxiv_xml import announces_withdrawal, document
from digest.papers.sources.fetch import Fetcher, RequestPolicy, Ticking
from digest.papers.sources.source import SourceResult, SourceUnavailable, Validator
from tests.support.replay import Replay, Reply, replaying

MONDAY = date(2026, 4, 27)
SATURDAY = date(2026, 8, 1)
API, FEED = "/api/query", "/rss/cs.AI+cs.CL"
ATOM = '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:o="http://a9.com/-/spec/opensearch/1.1/">{}</feed>'


@pytest.fixture
def server() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def fetch(server: Replay, day: date, today: date, remembered: Validator | None = None) -> SourceResult:
    fetcher = Fetcher(server.url, RequestPolicy(), Ticking(sleep=lambda _seconds: None))
    arxiv = Arxiv((server.url, server.url), ("cs.AI", "cs.CL"), (fetcher, fetcher), lambda _url: remembered)
    return arxiv.fetch(day, datetime(today.year, today.month, today.day, 12, tzinfo=UTC))


def entry(paper_id: str, title: str = "A title", extra: str = "") -> str:
    return f"<entry><id>http://arxiv.org/abs/{paper_id}</id><title>{title}</title><summary>So.</summary>{extra}</entry>"


def answer(*entries: str, total: int | None = None) -> Reply:
    count = f"<o:totalResults>{len(entries) if total is None else total}</o:totalResults>"
    return Reply(ATOM.format(count + "".join(entries)).encode())


@pytest.mark.parametrize(
    "name",
    ["ai-alpha-radar__arxiv_sample", "brevio-ai__arxiv_cs_lg", "sotawhat__arxiv_transformer", "xiv__arxiv_response"],
)
def test_recorded_answers_of_every_serialisation_load_whole(shared_data: Path, name: str) -> None:
    found = document((shared_data / "arxiv" / "atom" / f"{name}.xml").read_bytes())
    assert found.entries
    assert (found.cut, found.problem) == ("", "")
    for read in found.entries:
        assert read.paper, read.reason
        assert read.paper.authors
        assert read.paper.categories
        assert read.paper.abstract
        assert read.paper.published_at
        assert not read.paper.id.rpartition("v")[0]


def test_recorded_exchanges_load(shared_data: Path) -> None:
    for file in sorted((shared_data / "arxiv" / "recorded").iterdir()):
        exchange = json.loads(file.read_text(encoding="utf-8"))
        found = document(exchange["body"].encode())
        assert found.is_feed
        assert bool(found.problem) == (exchange["status_code"] == 400), file.name
        assert all(read.paper for read in found.entries), file.name
        assert len(found.entries) == min(found.total or 0, 100, len(found.entries))


def test_old_identifiers_are_read(shared_data: Path) -> None:
    (file,) = (shared_data / "arxiv" / "recorded").glob("id_astro-ph*")
    (read,) = document(json.loads(file.read_text(encoding="utf-8"))["body"].encode()).entries
    assert read.paper
    assert (read.paper.id, read.paper.url) == ("astro-ph/0601001", "https://arxiv.org/abs/astro-ph/0601001")


def test_the_primary_category_stands_first() -> None:
    extra = '<category term="cs.AI"/><category term="cs.CV"/><primary_category term="cs.CV"/>'
    (read,) = document(ATOM.format(entry("2604.00001v2", extra=extra)).encode()).entries
    assert read.paper
    assert (read.paper.id, read.paper.categories) == ("2604.00001", ("cs.CV", "cs.AI"))


def test_today_is_read_from_the_feed(shared_data: Path, server: Replay) -> None:
    feed = (shared_data / "arxiv" / "rss" / "distill__arxiv_cs_ai.xml").read_bytes()
    server.answers(FEED, Reply(feed, headers={"ETag": '"f"'}))
    findings = fetch(server, MONDAY, MONDAY)
    assert [paper.id for paper in findings.papers][:1] == ["2604.21935"]
    assert findings.papers[0].abstract.startswith("Although language models")
    assert findings.papers[0].authors == ("Michael Cooper", "Samuel Cooper")
    assert findings.votes == []
    assert list(findings.validators) == [f"{server.url}{FEED}"]


def test_an_unchanged_feed_is_asked_for_by_its_validator(server: Replay) -> None:
    server.answers(FEED, Reply(status=304))
    assert fetch(server, MONDAY, MONDAY, Validator('"f"')).unchanged


def test_an_empty_weekend_is_quiet_and_nothing_else_is_asked(shared_data: Path, server: Replay) -> None:
    feed = (shared_data / "arxiv" / "rss" / "All-News-AI__arxiv_weekend_empty.xml").read_bytes()
    server.answers(FEED, Reply(feed))
    assert fetch(server, SATURDAY, SATURDAY) == SourceResult(dated=SATURDAY)
    assert len(server.asked) == 1


WITHDRAWN = "<comment>This paper has been withdrawn by the authors; an error in Lemma 2</comment>"


def test_a_withdrawn_paper_is_named_and_not_listed(server: Replay) -> None:
    server.answers(API, answer(entry("2604.00001v2", extra=WITHDRAWN), entry("2604.00002"), total=2))
    findings = fetch(server, MONDAY, date(2026, 4, 29))
    assert [paper.id for paper in findings.papers] == ["2604.00002"]
    assert findings.withdrawn == ["2604.00001"]


def test_a_replacement_or_a_deleted_entry_takes_a_paper_back(server: Replay) -> None:
    dated = "<updated>2026-04-27T04:00:00+00:00</updated>"
    replaced = entry("2604.00001v2", extra=f"<announce_type>replace</announce_type>{WITHDRAWN}")
    deleted = '<deleted-entry ref="oai:arXiv.org:2604.00003v1"/>'
    server.answers(FEED, Reply(ATOM.format(dated + replaced + entry("2604.00002") + deleted).encode()))
    findings = fetch(server, MONDAY, MONDAY)
    assert [paper.id for paper in findings.papers] == ["2604.00002"]
    assert sorted(findings.withdrawn) == ["2604.00001", "2604.00003"]


@pytest.mark.parametrize(
    "said",
    [
        "This paper has been withdrawn by the author",
        "This paper has been withdrawn by Ada Lovelace due to a crucial sign error in equation 1",
        "This submission has been withdrawn by arXiv administrators",
        "  this article was temporarily withdrawn",
        "Withdrawn.",
        "withdrawn by the authors",
        "Paper withdrawn",
        "We withdraw this paper: the data were wrong",
        "The authors have withdrawn this manuscript",
        "This paper has been withdrawn from arXiv by its authors",
        "This paper has been withdrawn at the request of the authors",
        "Paper withdrawn as it contains errors",
        "Withdrawn; error in Lemma 2",
        "[Withdrawn]",
        "The paper has been withdrawn due to an error",
        "Paper has been withdrawn",
        "Author has withdrawn this paper.",
        "Withdrawn for major revision",
        "Retracted by the authors",
        "arXiv admin note: This paper has been withdrawn by arXiv",
        "This version has been removed by arXiv administrators",
        "This submission has been removed by arXiv administrators",
    ],
)
def test_the_words_of_a_withdrawal_are_understood(said: str) -> None:
    assert announces_withdrawal(said)


@pytest.mark.parametrize(
    "said",
    [
        "Face conflicting demands, e.g., that a drug has been withdrawn",
        "Withdrawn states are a problem of many agents",
        "We withdrew the drug after two weeks",
        "This paper studies papers that have been withdrawn",
        "12 pages; the demo was withdrawn",
        "Paper withdrawn from ICLR 2026; 12 pages",
        "Withdrawn from NeurIPS 2025, 10 pages",
        "Withdrawn, ICLR 2026",
        "Paper withdrawn, ICLR 2026",
        "Paper withdrawn for ICLR 2026",
        "Paper withdrawn in NeurIPS 2025",
        "Withdrawn due to the ICLR page limit",
        "Article retracted datasets: a benchmark",
        "This paper has been withdrawn from EMNLP due to a formatting issue",
        "This submission was withdrawn by the authors from the NeurIPS 2025 review process",
        "We have withdrawn this paper from ICML",
        "Article withdrawn from the Journal of X, resubmitted to Y",
        "This work was withdrawn as an ICLR submission",
        "Paper withdrawn during review at ICLR 2026",
        "Paper withdrawn after reviews at ICLR 2026",
        "This paper was withdrawn prior to the ICLR decision",
        "",
    ],
)
def test_other_things_may_be_withdrawn(said: str) -> None:
    assert not announces_withdrawal(said)


@pytest.mark.parametrize(
    ("comment", "is_withdrawn"),
    [
        ("12 pages; this paper has been withdrawn by the authors", True),
        ("12 pages. The paper was withdrawn due to an error", True),
        ("12 pages; this paper was withdrawn from ICLR 2026", False),
        ("12 pages, withdrawn from ICLR", False),
    ],
)
def test_a_comment_may_end_in_the_withdrawal(comment: str, is_withdrawn: bool) -> None:
    entry = f"<id>http://arxiv.org/abs/2605.01234</id><title>A</title><comment>{comment}</comment>"
    assert document(f"<feed><entry>{entry}</entry></feed>".encode()).entries[0].withdrawn is is_withdrawn


def test_no_real_abstract_is_taken_for_a_withdrawal(shared_data: Path) -> None:
    with gzip.open(shared_data / "arxiv" / "listings_2026-04_2026-05.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    assert len(records) > 10_000
    texts = (text for record in records for text in (record["summary"], record["comment"] or ""))
    assert [text for text in texts if announces_withdrawal(text)] == []


def test_a_feed_of_the_day_before_says_so(server: Replay) -> None:
    server.answers(FEED, Reply(ATOM.format("<updated>2026-04-24T04:00:00+00:00</updated>" + entry("2604.9")).encode()))
    server.answers(API, answer())
    assert fetch(server, MONDAY, MONDAY).dated == date(2026, 4, 24)


def test_replacements_are_no_new_papers(server: Replay) -> None:
    kinds = {"2604.00001": "new", "2604.00002": "cross", "2604.00003": "replace", "2604.00004": "replace-cross"}
    entries = [entry(key, extra=f"<announce_type>{kind}</announce_type>") for key, kind in kinds.items()]
    server.answers(FEED, Reply(ATOM.format("<updated>2026-04-27T04:00:00+00:00</updated>" + "".join(entries)).encode()))
    assert [paper.id for paper in fetch(server, MONDAY, MONDAY).papers] == ["2604.00001", "2604.00002"]


@pytest.mark.parametrize(
    "feed",
    [
        Reply(ATOM.format("<updated>2026-04-27T04:00:00+00:00</updated>").encode()),  # empty on a Monday
        Reply(ATOM.format("<updated>2026-04-24T04:00:00+00:00</updated>" + entry("2604.00009")).encode()),  # stale
        Reply(b"<html>Sorry</html>"),
        Reply(status=404),
    ],
)
def test_a_feed_that_is_no_answer_for_the_day_is_replaced_by_the_api(server: Replay, feed: Reply) -> None:
    server.answers(FEED, feed)
    server.answers(API, answer(entry("2604.00001v1")))
    assert [paper.id for paper in fetch(server, MONDAY, MONDAY).papers] == ["2604.00001"]


def test_another_day_is_asked_of_the_api_by_its_submissions(server: Replay) -> None:
    server.answers(API, answer(entry("2604.00001v1")))
    fetch(server, MONDAY, date(2026, 4, 29))
    ((path, _),) = server.asked
    assert "submittedDate%3A%5B202604270000+TO+202604272359%5D" in path
    assert "cat%3Acs.AI+OR+cat%3Acs.CL" in path


def test_a_long_list_is_read_page_by_page(server: Replay) -> None:
    first, second = answer(entry("2604.00001"), entry("2604.00002"), total=3), answer(entry("2604.00003"), total=3)
    server.answers(API, first, second)
    findings = fetch(server, MONDAY, date(2026, 4, 29))
    assert [paper.id for paper in findings.papers] == ["2604.00001", "2604.00002", "2604.00003"]
    assert findings.incomplete == ""
    assert ["start=0" in path or "start=2" in path for path, _ in server.asked] == [True, True]


@pytest.mark.parametrize("second", [answer(total=3), Reply(status=500), Reply(b"<html/>")])
def test_a_page_that_is_missing_leaves_the_others(server: Replay, second: Reply) -> None:
    server.answers(API, answer(entry("2604.00001"), entry("2604.00002"), total=3), second)
    findings = fetch(server, MONDAY, date(2026, 4, 29))
    assert len(findings.papers) == 2
    assert findings.incomplete


PAPERS = [entry(f"2604.0000{number}") for number in range(1, 7)]


@pytest.mark.parametrize(
    "pages",
    [
        [PAPERS[:2], PAPERS[3:], PAPERS[:2], PAPERS[2:]],  # a paper left the first page while the second was read
        [PAPERS[:3], [PAPERS[0], *PAPERS[4:]], PAPERS[:3], PAPERS[3:]],  # two papers changed places
        [PAPERS[:3], [], PAPERS[:3], PAPERS[3:]],  # a page came empty, as the API sometimes answers
    ],
)
def test_a_list_whose_pages_shift_while_it_is_read_is_read_again(server: Replay, pages: list[list[str]]) -> None:
    server.answers(API, *(answer(*page, total=6) for page in pages))
    result = fetch(server, MONDAY, date(2026, 4, 29))
    assert sorted(paper.id for paper in result.papers) == [f"2604.0000{number}" for number in range(1, 7)]
    assert (result.incomplete, result.unreadable) == ("", [])


def test_a_list_that_stays_incomplete_says_how_many_papers_it_lacks(server: Replay) -> None:
    server.answers(API, *[answer(*page, total=6) for page in (PAPERS[:3], PAPERS[2:5])] * 3)
    result = fetch(server, MONDAY, date(2026, 4, 29))
    assert (len(result.papers), result.incomplete) == (5, "arXiv gave 5 of 6 papers")
    assert len(server.asked) == 4, "nothing new in the second reading"


def test_the_same_page_again_ends_the_reading(server: Replay) -> None:
    server.answers(API, answer(entry("2604.00001"), total=90))
    findings = fetch(server, MONDAY, date(2026, 4, 29))
    assert (len(findings.papers), len(server.asked)) == (1, 2)
    assert findings.incomplete == "arXiv gave 1 of 90 papers"


@pytest.mark.parametrize("status", [200, 400])
def test_an_error_entry_is_arxivs_own_message(server: Replay, status: int) -> None:
    error = "<entry><id>https://arxiv.org/api/errors#x</id><title>Error</title><summary>bad date</summary></entry>"
    server.answers(API, Reply(ATOM.format(error).encode(), status=status))
    with pytest.raises(SourceUnavailable, match="bad date"):
        fetch(server, MONDAY, date(2026, 4, 29))


def test_a_cut_document_gives_the_papers_before_the_cut(server: Replay) -> None:
    whole = answer(entry("2604.00001"), entry("2604.00002"), total=2).body
    server.answers(API, Reply(whole[:-40]))
    findings = fetch(server, MONDAY, date(2026, 4, 29))
    assert [paper.id for paper in findings.papers] == ["2604.00001"]
    assert "cannot be read to its end" in findings.incomplete


def test_an_entry_without_id_or_title_is_named_and_stops_nothing(server: Replay) -> None:
    server.answers(API, answer(entry("nonsense"), entry("2604.00001", title=" "), entry("2604.00002"), total=3))
    findings = fetch(server, MONDAY, date(2026, 4, 29))
    assert [paper.id for paper in findings.papers] == ["2604.00002"]
    assert [record.reason for record in findings.unreadable] == ["it has no arXiv id", "it has no title"]


def test_a_forbidden_character_does_not_end_the_document() -> None:
    found = document(ATOM.format(entry("2604.00001", title="A\x0bB \x1f") + entry("2604.00002")).encode() + b"\n")
    assert [read.paper and read.paper.title for read in found.entries] == ["AB", "A title"]


def test_entities_of_the_document_are_not_expanded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + ATOM.format(entry("2604.00001", title="&b;"))
    found = document(bomb.encode())
    assert found.entries == []
    assert found.cut


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"<", b"<feed", b"<html></html>", b"[]", b"<?xml version='1.0' encoding='nope'?><a/>"],
)
def test_what_is_no_document_is_no_list(body: bytes) -> None:
    found = document(body)
    assert not found.is_feed or found.cut
    assert found.entries == []
