"""Lists of strangers through `digest collect`, and the papers on them through `digest search`."""

import json

import pytest

from digest.settings import settings
from tests.support.replay import Reply, replaying

NOW = ("--as-of", "2026-05-28T12:00:00Z")
IMPOSSIBLE = "Mon, 01 Jan 99999999999 00:00:00 GMT"
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom">
<entry><title>R&D at arXiv</title><id>tag:1</id><link rel="replies" href="https://lab.example/comments"/>
<link href="https://huggingface.co/papers/2605.01234?utm_source=x"/></entry>
<entry><title>Elsewhere&nbsp;seen</title><id>https://lab.example/p/1/?utm_source=y</id></entry></feed>"""
RECORDS = [
    {"url": "http://www.lab.example/p/1", "title": "Elsewhere seen"},
    {"id": "10.48550/arXiv.2605.01234v2", "title": "R&D at arXiv", "published_at": "99999999999-01-01"},
    {"url": "doi:10.1145/123.456", "title": "By its DOI"},
]
RSS = f"""<rss version="2.0"><channel><item><title>By its DOI</title><pubDate>{IMPOSSIBLE}</pubDate>
<link>https://dl.acm.org/doi/10.1145/123.456</link><comments>https://lab.example/c</comments></item></channel></rss>"""


@pytest.fixture
def lists(tmp_path, monkeypatch):
    """Three lists of the same three papers, one of them on a web server."""
    (tmp_path / "a.xml").write_text(ATOM)
    (tmp_path / "b.json").write_text(json.dumps(RECORDS))
    with replaying() as server:
        server.answers("/c.xml", Reply(RSS.encode(), headers={"Last-Modified": IMPOSSIBLE, "Expires": "-1"}))
        monkeypatch.setenv("DIGEST_SOURCES", "feeds")
        monkeypatch.setenv("DIGEST_FEEDS", f"{tmp_path}/a.xml,{tmp_path}/b.json,{server.url}/c.xml")
        yield server


def test_a_paper_on_several_lists_is_one_card_and_found_by_each_address(run, lists):
    (collected,) = json.loads(run("collect", *NOW, "--json").stdout)
    assert (collected["outcome"], collected["new"], collected["unreadable"]) == ("fresh", 3, [])
    for typed, title in {
        "https://arxiv.org/abs/2605.01234v3?utm_source=z": "R&D at arXiv",
        "alphaxiv.org/abs/2605.01234": "R&D at arXiv",
        "https://doi.org/10.1145/123.456": "By its DOI",
        "lab.example/p/1": "Elsewhere seen",
    }.items():
        assert [paper["title"] for paper in json.loads(run("search", typed, "--json").stdout)["papers"]] == [title]
        assert run("search", "--like", typed).exit_code == 0


def test_an_issue_does_not_blame_a_source_that_the_operator_has_taken_out(run, lists, monkeypatch):
    monkeypatch.setenv("DIGEST_SOURCES", "feeds,hackernews")
    monkeypatch.setenv("DIGEST_HACKERNEWS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("DIGEST_SOURCE_TIMEOUT_SECONDS", "0.5")
    assert "If this lasts, check its address and your network." in " ".join(run("collect", *NOW).stdout.split())
    monkeypatch.setenv("DIGEST_SOURCES", "feeds")
    settings.cache_clear()
    published = run("publish", "--date", "2026-05-28", *NOW, "--json")
    assert (published.exit_code, json.loads(published.stdout)["note"]) == (0, "")


def test_a_busy_server_with_an_impossible_date_is_named_on_one_line(run, lists):
    lists.answers("/c.xml", Reply(status=503, headers={"Retry-After": IMPOSSIBLE}))
    (collected,) = json.loads(run("collect", *NOW, "--json").stdout)
    assert collected["outcome"] == "partial"
    assert collected["message"].endswith("127.0.0.1 answered 503 Service Unavailable")
