"""Lists by strangers, read as feed readers read them: each with what feeds in the wild have got wrong."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.papers.sources.feeds import Feeds
from digest.papers.sources.feeds.feed_json import MAX_RECORDS
from digest.papers.sources.fetch import Fetcher
from digest.papers.sources.source import SourceResult, SourceUnavailable

NOW = datetime(2026, 5, 28, 9, tzinfo=UTC)
ATOM_NS = "http://www.w3.org/2005/Atom"
PAGE, TEA = "https://lab.example/paper", "Café & tea"


def never(_url: str) -> Fetcher:
    raise AssertionError("a file needs no client")


def read(folder: Path, content: str | bytes) -> SourceResult:
    file = folder / "list"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return Feeds([str(file)], never).fetch(NOW.date(), NOW)


def rss(*items: str) -> str:
    return f'<rss version="2.0"><channel><title>Ours</title>{"".join(items)}</channel></rss>'


def item(title: str, link: str = PAGE, more: str = "") -> str:
    return f"<item><title>{title}</title><link>{link}</link><pubDate>Thu, 28 May 2026 05:00 GMT</pubDate>{more}</item>"


def atom(links: str, attributes: str = "") -> str:
    return f'<feed xmlns="{ATOM_NS}"{attributes}><entry><title>A</title><id>tag:a</id>{links}</entry></feed>'


OTHER_LINKS = "".join(
    f'<link rel="{rel}" href="https://lab.example/{rel}"/>' for rel in ("replies", "enclosure", "self", "edit", "via")
)


@pytest.mark.parametrize(
    "feed",
    [
        atom(f'{OTHER_LINKS}<link rel="alternate" href="{PAGE}"/>'),
        atom(f'{OTHER_LINKS}<link href="{PAGE}"/>'),
        atom(f'<link rel="alternate" type="application/pdf" href="{PAGE}.pdf"/><link type="text/html" href="{PAGE}"/>'),
        atom('<link href="paper"/>', ' xml:base="https://lab.example/"'),
        atom('<link href="/paper"/>').replace("<entry>", '<link href="https://lab.example/blog/"/><entry>'),
        rss("<link>https://lab.example/</link>", item("A", "/paper")),
        rss(item("A", more=f'<comments>{PAGE}/c</comments><enclosure url="{PAGE}.mp3" type="audio/mpeg"/>')),
        rss(f"<item><title>A</title><guid>{PAGE}</guid></item>"),
        rss(item("A", "").replace("<item>", f'<item xmlns:a="{ATOM_NS}"><a:link rel="replies" href="{PAGE}/c"/>')),
    ],
)
def test_a_card_leads_to_the_page_of_the_entry_or_nowhere(tmp_path: Path, feed: str) -> None:
    (paper,) = read(tmp_path, feed.replace("<link></link>", f"<link>{PAGE}</link>")).papers
    assert paper.url == PAGE


def test_the_comments_of_an_entry_without_a_page_are_not_its_page(tmp_path: Path) -> None:
    (paper,) = read(tmp_path, atom(OTHER_LINKS)).papers
    assert paper.url == ""


@pytest.mark.parametrize(
    "wrong",
    [
        "a&nbsp;b",
        "a & b",
        "AT&T",
        "&unknown;",
        "&#99999999;",
        "&#x0;",
        "&",
        "p < 0.05",
        "a\x0bb\x00",
        "<![CDATA[a & b]]>",
    ],
)
def test_one_wrong_character_loses_no_record(tmp_path: Path, wrong: str) -> None:
    result = read(tmp_path, rss(item("One"), item(f"Two {wrong}"), item("Three")))
    assert [paper.title.split()[0] for paper in result.papers] == ["One", "Two", "Three"]
    assert result.unreadable == []


DECLARED = '<?xml version="1.0" encoding="{}"?>'
BODY = rss(item(TEA))


@pytest.mark.parametrize(
    "content",
    [
        BODY.encode("latin-1"),
        b"\xef\xbb\xbf\xef\xbb\xbf" + BODY.encode(),
        (DECLARED.format("UTF-8") + BODY).encode("latin-1"),
        (DECLARED.format("ISO-8859-1") + BODY).encode("latin-1"),
        (DECLARED.format("ISO-8859-1") + BODY).encode(),
        (DECLARED.format("UTF-16") + BODY).encode(),
        (DECLARED.format("UTF-16") + BODY).encode("utf-16"),
        (DECLARED.format("UTF-16LE") + BODY).encode("utf-16-le"),
        (DECLARED.format("x-unknown") + BODY).encode(),
        ("\n <!-- late -->" + DECLARED.format("UTF-8") + BODY).encode(),
        BODY.encode("utf-16"),
        gzip.compress(BODY.encode()),
        json.dumps([{"url": PAGE, "title": TEA}], ensure_ascii=False).encode("latin-1"),
        json.dumps([{"url": PAGE, "title": TEA}], ensure_ascii=False).encode("utf-16"),
    ],
)
def test_text_is_read_in_the_encoding_that_it_has(tmp_path: Path, content: bytes) -> None:
    assert [paper.title for paper in read(tmp_path, content).papers] == [TEA]


RDF = (
    'xmlns="http://purl.org/rss/1.0/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
DC = "<dc:creator>Ada L</dc:creator><dc:date>2026-05-28T05:00:00Z</dc:date>"
ALTERNATE = f'<link rel="alternate" href="{PAGE}"/>'
AUTHOR = "<author><name>Ada L</name></author><issued>2026-05-28T05:00:00Z</issued>"
JSON_ITEM = {"id": 1, "url": PAGE, "title": "A", "date_published": "2026-05-28T05:00Z", "authors": [{"name": "Ada L"}]}


@pytest.mark.parametrize(
    "content",
    [
        f'<rss version="0.91"><channel>{item("A", more="<author>x@lab.example (Ada L)</author>")}</channel></rss>',
        f"<rdf:RDF {RDF}><item><title>A</title><link>{PAGE}</link>{DC}</item></rdf:RDF>",
        f'<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><title>A</title>{ALTERNATE}{AUTHOR}</entry></feed>',
        rss(item("A", more="<dc:creator>Ada L</dc:creator>")),
        json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": [JSON_ITEM]}),
    ],
)
def test_every_kind_of_feed_is_read(tmp_path: Path, content: str) -> None:
    (paper,) = read(tmp_path, content).papers
    assert (paper.title, paper.url, paper.authors) == ("A", PAGE, ("Ada L",))
    assert paper.published_at == datetime(2026, 5, 28, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("authors", "names"),
    [
        (("a@lab.example (Ada L)", "b@lab.example (Bob M)"), ("Ada L", "Bob M")),
        (("a@lab.org (Ada)", "b@lab.org (bob)"), ("Ada", "bob")),
        (("a@lab.example", "Bob (Lab)"), ("Bob (Lab)",)),
    ],
)
def test_each_author_of_a_feed_is_named_without_an_address(
    tmp_path: Path, authors: tuple[str, ...], names: tuple[str, ...]
) -> None:
    (paper,) = read(tmp_path, rss(item("A", more="".join(f"<author>{each}</author>" for each in authors)))).papers
    assert paper.authors == names


def test_a_feed_that_breaks_off_gives_its_whole_entries(tmp_path: Path) -> None:
    feed = rss(item("One"), item("Two"))
    result = read(tmp_path, feed[: feed.index("Two") + 20])
    assert [paper.title for paper in result.papers] == ["One"]
    assert [record.reason for record in result.unreadable] == ["the XML ends before the feed does"]


def test_an_empty_feed_is_an_empty_list(tmp_path: Path) -> None:
    for feed in (rss(), f'<feed xmlns="{ATOM_NS}"/>', f'<feed xmlns="{ATOM_NS}"></feed>'):
        assert read(tmp_path, feed) == SourceResult()


@pytest.mark.parametrize(
    "content", ["<html><body>Sorry</body></html>", "<opml/>", "<svg/>", "Sorry", b"\x1f\x8bbroken"]
)
def test_what_is_no_list_is_named(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(SourceUnavailable, match=r"neither .* nor RSS|damaged gzip file"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "date",
    ["Mon, 01 Jan 99999999999 00:00:00 GMT", "0000-00-00", "9" * 5000, "-1", "28/05/2026",
     "Thu, 28 May 2026 25:61:61 GMT", "9999-12-31T23:59:59-23:59"],
)  # fmt: skip
def test_an_impossible_date_loses_neither_its_record_nor_the_others(tmp_path: Path, date: str) -> None:
    odd = f"<item><title>Odd</title><link>{PAGE}/odd</link><pubDate>{date}</pubDate></item>"
    assert [paper.title for paper in read(tmp_path, rss(odd, item("A"))).papers] == ["Odd", "A"]
    records = [{"url": f"{PAGE}/odd", "title": "Odd", "published_at": date}, {"url": PAGE, "title": "A"}]
    assert [paper.title for paper in read(tmp_path, json.dumps(records)).papers] == ["Odd", "A"]


@pytest.mark.parametrize("number", ["9" * 5000, "1e400", "-1e400", "NaN", "-5", "1.5", '"12x"'])
def test_an_impossible_number_is_no_vote_and_loses_no_record(tmp_path: Path, number: str) -> None:
    records = f'[{{"url": "{PAGE}", "title": "A", "votes": {number}}}, {{"id": "2605.00002", "title": "B"}}]'
    result = read(tmp_path, records)
    assert [paper.title for paper in result.papers] == ["A", "B"]
    assert result.votes == []


def test_a_list_of_very_many_records_is_read_up_to_a_limit_that_is_named(tmp_path: Path) -> None:
    count = MAX_RECORDS + 5
    for content in (json.dumps([1] * count), rss(*["<item></item>"] * count)):
        result = read(tmp_path, content)
        assert len(result.unreadable) == MAX_RECORDS + 1
        assert result.unreadable[-1].reason == "only the first 20,000 records were read; split the list into several"


A, B = f'{{"url": "{PAGE}/a", "title": "A"}}', f'{{"url": "{PAGE}/b", "title": "B"}}'


@pytest.mark.parametrize(
    "content",
    [
        f"[{A}, {B},]", f"[{A} {B}]", f'[{A}, {{"title": "$\\alpha$"}}, {B}]', f'[{A}, {{"title": "a "b" c"}}, {B}]',
        f'[{A}, {B}, {{"url": "https://la', f"[{A}, {B}, {{'url': 'x'}}]", f'{{"papers": [{A}, {B}, {{"url": }}]}}',
        f'{{"version": "https://jsonfeed.org/version/1.1", "items": [{A}, {{"id": 1,,}}, {B}]}}',
        f'{{"url": "x\n{A}\n{B}\n', f"{A},\n{B},\n", f"{A}\n{{'url'\n{B}",
        f'[{A}, {{"title": "deep", "x": {"[" * 9999}{"]" * 9999}}}, {B}]',
    ],
)  # fmt: skip
def test_a_broken_record_of_a_json_list_loses_no_other(tmp_path: Path, content: str) -> None:
    assert [paper.title for paper in read(tmp_path, content).papers] == ["A", "B"]


def test_text_of_a_json_list_may_hold_line_breaks_and_tabs(tmp_path: Path) -> None:
    result = read(tmp_path, f'[{A}, {{"url": "{PAGE}/c", "title": "C\n\tD"}}]')
    assert [paper.title for paper in result.papers] == ["A", "C D"]
    assert result.unreadable == []
