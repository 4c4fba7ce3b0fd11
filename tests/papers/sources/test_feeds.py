"""An operator's own lists, as files and addresses, whole and broken."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from digest.database.engine import read_only
from digest.database.tables import metadata
from digest.papers.paper import Votes
from digest.papers.sources.feeds import Feeds
from digest.papers.sources.fetch import Fetcher, RequestPolicy, Ticking
from digest.papers.sources.source import SourceResult, SourceUnavailable, Validator
from tests.support.commands import Command
from tests.support.replay import Replay, Reply, json_reply, replaying

NOW = datetime(2026, 5, 28, 9, tzinfo=UTC)
DAY = NOW.date()


@pytest.fixture
def server() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def fetch(*places: object, day: date = DAY, remembered: Validator | None = None) -> SourceResult:
    def fetcher(url: str) -> Fetcher:
        return Fetcher(url, RequestPolicy(timeout_seconds=2), Ticking(sleep=lambda _seconds: None))

    return Feeds([str(one) for one in places], fetcher, lambda _url: remembered).fetch(day, NOW)


def record(**said: Any) -> dict[str, Any]:
    return {"id": "2605.00001", "title": "A title", "listed_at": "2026-05-28T04:00:00Z"} | said


FULL = record(
    abstract="We prove $x^2$.",
    summary="Short.",
    authors=["Ada Lovelace"],
    organization="Paper Lab",
    categories=["cs.CL"],
    keywords=["proofs"],
    published_at="2026-05-25",
    url="https://example.org/p",
    code_url="https://example.org/c",
    project_url="javascript:alert(1)",
    votes=12,
    comments=3,
)


@pytest.mark.parametrize(
    "written",
    [
        json.dumps([FULL]),
        json.dumps({"papers": [FULL]}),
        json.dumps(FULL),
        json.dumps(FULL) + "\n\n" + json.dumps(record(id="2605.00002")) + "\n",
        "\ufeff" + json.dumps([FULL], indent=1),
    ],
)
def test_every_way_to_write_json_is_read(tmp_path: Path, written: str) -> None:
    file = tmp_path / "own.json"
    file.write_text(written, encoding="utf-8")
    findings = fetch(file)
    one = findings.papers[0]
    assert (one.id, one.title, one.abstract, one.organization) == ("2605.00001", "A title", "We prove x².", "Paper Lab")
    assert (one.authors, one.categories, one.keywords) == (("Ada Lovelace",), ("cs.CL",), ("proofs",))
    assert (one.url, one.code_url, one.project_url) == ("https://arxiv.org/abs/2605.00001", "https://example.org/c", "")
    assert findings.votes[0] == Votes("2605.00001", "feeds", NOW, 12, 3)
    assert (findings.unreadable, findings.incomplete) == ([], "")


ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">
<title>Ours</title><updated>2026-05-28T00:00:00Z</updated>
<entry><id>tag:example.org,2026:1</id><title>One &amp; all</title><link href="https://example.org/1"/>
<summary>What it says.</summary><author><name>Ada Lovelace</name></author><published>2026-05-28T03:00:00Z</published>
<category term="cs.CL"/></entry>
<entry><id>tag:2</id><title>Two</title><link href="https://arxiv.org/abs/2605.00002v3"/>
<updated>2026-05-28T03:00:00Z</updated></entry>
<entry><id>tag:3</id><updated>2026-05-28T03:00:00Z</updated></entry>
<at:deleted-entry ref="https://arxiv.org/abs/2605.00009"/></feed>"""
RSS = """<rss version="2.0"><channel><title>Ours</title><item><title>Three</title><link>https://example.org/3</link>
<description>&lt;p&gt;So.&lt;/p&gt;</description><pubDate>Thu, 28 May 2026 05:00:00 +0200</pubDate></item>
</channel></rss>"""


def test_atom_and_rss_of_anybody_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(ATOM)
    (tmp_path / "r.xml").write_text(RSS)
    findings = fetch(tmp_path / "a.xml", tmp_path / "r.xml")
    one, two, three = findings.papers
    assert (one.title, one.abstract, one.authors, one.categories) == (
        "One & all",
        "What it says.",
        ("Ada Lovelace",),
        ("cs.CL",),
    )
    assert one.id.startswith("feeds:")
    assert (one.url, two.id, two.url) == (
        "https://example.org/1",
        "2605.00002",
        "https://arxiv.org/abs/2605.00002",
    )
    assert (three.title, three.abstract, three.published_at) == ("Three", "So.", datetime(2026, 5, 28, 3, tzinfo=UTC))
    assert findings.withdrawn == ["2605.00009"]
    assert [(one.place.rpartition(", ")[2], one.reason) for one in findings.unreadable] == [
        ("record 3", "it has no title")
    ]


def test_a_paper_belongs_to_the_day_of_its_date_and_without_one_to_today(tmp_path: Path) -> None:
    dated = record(id="2605.00002", listed_at="2026-05-26T23:59:00Z")
    later = record(id="2605.00003", published_at="2026-05-26", listed_at=None)
    (tmp_path / "own.json").write_text(json.dumps([record(listed_at=None), dated, later]))
    assert [one.id for one in fetch(tmp_path / "own.json").papers] == ["2605.00001"]
    assert [one.id for one in fetch(tmp_path / "own.json", day=date(2026, 5, 26)).papers] == [
        "2605.00002",
        "2605.00003",
    ]


def test_the_same_address_is_the_same_paper_each_time_and_needs_no_id(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(json.dumps([{"title": "A", "url": "https://example.org/a"}]))
    first, again = fetch(tmp_path / "own.json").papers[0], fetch(tmp_path / "own.json").papers[0]
    assert first.id == again.id
    assert first.id.startswith("feeds:")


def test_a_record_that_is_taken_back_is_withdrawn_whatever_its_date(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(json.dumps([{"id": "2605.00001v2", "withdrawn": True}, record(id="2605.00002")]))
    findings = fetch(tmp_path / "own.json")
    assert ([one.id for one in findings.papers], findings.withdrawn) == (["2605.00002"], ["2605.00001"])


def test_each_wrong_record_is_named_and_stops_no_other(tmp_path: Path) -> None:
    wrong = [{"title": "no id"}, 3, "text", {"id": "2605.00003"}, {"id": 7, "title": "x"}, record()]
    (tmp_path / "own.json").write_text("\n".join(map(json.dumps, wrong)) + "\n{broken}\n")
    findings = fetch(tmp_path / "own.json")
    assert [one.id for one in findings.papers] == ["2605.00001"]
    assert len(findings.unreadable) == 6


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"hello", "neither JSON, nor JSON Lines, nor Atom, nor RSS"),
        (b"<html><body/></html>", "neither Atom nor RSS"),
        (b'[{"id": "2605.00001", "ti', "not JSON to its end"),
    ],
)
def test_what_is_no_list_is_named_with_its_place(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file, good = tmp_path / "own", tmp_path / "good.json"
    if content is not None:
        file.write_bytes(content)
    good.write_text(json.dumps([record()]))
    with pytest.raises(SourceUnavailable) as caught:
        fetch(file)
    assert str(caught.value).startswith(f"{file}: {problem}")
    both = fetch(file, good)
    assert len(both.papers) == 1
    assert both.incomplete.startswith(f"{file}: {problem}")


def test_a_folder_or_a_device_is_not_read(tmp_path: Path) -> None:
    for place in (tmp_path, "/dev/zero"):
        with pytest.raises(SourceUnavailable, match="not a file"):
            fetch(place)


def test_an_empty_file_is_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_bytes(b"")
    assert fetch(tmp_path / "own.jsonl") == SourceResult()


def test_an_address_is_asked_conditionally_when_it_is_the_only_one(server: Replay) -> None:
    server.answers("/own", json_reply([record()], ETag='"1"'), Reply(status=304))
    url = f"{server.url}/own"
    assert fetch(url).validators == {url: Validator('"1"')}
    assert fetch(url, remembered=Validator('"1"')).unchanged
    assert server.asked[-1][1]["if-none-match"] == '"1"'


def test_one_address_is_asked_once_for_all_days_of_a_collecting(server: Replay) -> None:
    server.answers("/own", json_reply([record()]))
    feeds = Feeds([f"{server.url}/own"], lambda url: Fetcher(url, RequestPolicy()))
    for day in (DAY, date(2026, 5, 27), date(2026, 5, 26)):
        feeds.fetch(day, NOW)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://ada:hunter2@127.0.0.1:9/own", "http://127.0.0.1:9/own"),
        ("http://hunter2@127.0.0.1:9/own", "http://127.0.0.1:9/own"),
        ("http://127.0.0.1:9/own?token=hunter2&n=5", "http://127.0.0.1:9/own?token=…&n=5"),
        ("http://127.0.0.1:9/own?n=5&api_key=hunter2#x", "http://127.0.0.1:9/own?n=5&api_key=…#x"),
        ("http://ada:hunter2@[::1/own", "http://[::1/own"),
        ("http://ada:hunter2@127.0.0.1:port/own", "http://127.0.0.1:port/own"),
        ("http://ada:hunter2@a..b/own", "http://a..b/own"),
    ],
)
def test_the_password_in_the_address_of_a_list_is_never_shown(address: str, shown: str) -> None:
    with pytest.raises(SourceUnavailable, match=f"^{re.escape(shown)}: ") as caught:
        fetch(address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("secret", ["ada:hunter2@", "?token=hunter2"])
def test_the_password_in_the_address_of_a_list_is_nowhere_in_the_database_the_log_and_what_the_doctor_says(
    command: Command, server: Replay, engine: Engine, secret: str
) -> None:
    path = "/own" + (secret if secret.startswith("?") else "")
    home = server.url if secret.startswith("?") else server.url.replace("://", f"://{secret}")
    server.answers("/own", json_reply([record(id="x"), record(url="/relative")], etag='"1"'))
    environment = {"DIGEST_SOURCES": "feeds", "DIGEST_FEEDS": home + path, "DIGEST_LOG_LEVEL": "debug"}
    environment["DIGEST_DATABASE_URL"] = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    printed = [command(*words, **environment) for words in (("collect",), ("doctor",), ("--debug", "collect"))]
    assert server.asked, "the list was read"
    server.answers("/own", json_reply([record()], etag='"1"'))
    printed.append(command("collect", **environment))
    with read_only(engine) as connection:
        stored = [connection.execute(select(table)).all() for table in metadata.sorted_tables]
    assert "hunter2" not in repr((stored, [(end.stdout, end.stderr) for end in printed]))
