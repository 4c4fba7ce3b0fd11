"""Public pages come from memory: without the database, until an issue or their age changes them."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from anyio import create_task_group, fail_after
from anyio.to_thread import current_default_thread_limiter
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient
from starlette.types import Message

from digest.database.engine import read_only
from digest.database.tables import issues
from digest.issues import withdrawing
from digest.settings import Settings
from digest.web.app import create_app
from digest.web.page_cache import middleware as page_cache
from digest.web.page_cache.answers import Answer, AnswerCache, Wanted
from digest.web.page_cache.editions import EditionWatch
from tests.conftest import Clock
from tests.support.scenario import add_papers, cut
from tests.web.conftest import START, Visit

LIFETIME = 300.0  # seconds that most pages may be kept
PUBLIC = (
    "/", "/issues", "/issues/2026-11-23", "/papers/2603.00000", "/topics", "/topics/vision", "/topics/vision/feed.atom",
    "/feed.atom", "/feed.json", "/how-papers-are-chosen", "/privacy", "/robots.txt", "/sitemap.xml",
    "/sitemap/pages.xml", "/search?q=attention&from=2020-01-01",
)  # fmt: skip


class Seconds:
    """A clock that goes when it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Site:
    """A site that keeps its pages, and how often its endpoints asked the database."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.clock = Seconds()
        self.editions = EditionWatch(engine, self.clock, every=3600)
        self.editions.read()
        self.taken = 0  # connections to the database
        event.listen(engine, "checkout", self._note)
        self.app = create_app(engine, settings, lambda: None, editions=self.editions)
        self.browser = TestClient(self.app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)

    def _note(self, *_about: object) -> None:
        if threading.current_thread().name.startswith("AnyIO"):  # not the watch, and not the test
            self.taken += 1

    def get(self, path: str, **headers: str) -> Any:
        return self.browser.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def questions(self, path: str, **headers: str) -> int:
        """The number of connections to the database that a page takes."""
        before = self.taken
        assert "age" in self.get(path, **headers).headers
        return self.taken - before

    def calls(self, *paths: str) -> list[int]:
        """The statuses of requests that come at the same time; fails when one of them waits."""
        assert self.browser.portal is not None
        return self.browser.portal.call(self._calls, paths)

    async def _calls(self, paths: tuple[str, ...]) -> list[int]:
        statuses: list[int] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        with fail_after(20):
            async with create_task_group() as group:
                for path in paths:
                    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
                    group.start_soon(self.app, {**scope, "http_version": "1.1", "scheme": "http"}, receive, send)
        return statuses


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def site(filled: Visit, settings: Settings) -> Iterator[Site]:
    site = Site(filled.engine, settings)
    with site.browser:
        yield site


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_asks_the_database_once(site: Site, path: str) -> None:
    first = site.get(path)
    assert first.status_code == 200
    assert site.questions(path) == 0
    again = site.get(path)
    assert again.content == first.content
    assert {**again.headers, "age": ""} == {**first.headers, "age": ""}


@pytest.mark.parametrize("path", ["/papers/nothing", "/issues/2020-01-01", "/search", "/manage", "/u/x"])
def test_what_is_not_a_public_page_is_never_kept(site: Site, path: str) -> None:
    first = site.get(path)
    assert "age" not in first.headers
    assert site.get(path).status_code == first.status_code
    if path.startswith(("/papers", "/issues")):
        before = site.taken
        site.get(path)
        assert site.taken > before


def test_searches_displace_each_other_and_no_page(
    filled: Visit, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_cache, "_LIMIT_OF_SEARCHES", 4_000)
    site = Site(filled.engine, settings)
    searches = [f"/search?q=attention&page=1&category=cs.{letter}" for letter in "ABCDEFGHIJ"]
    with site.browser:
        for path in ("/issues", *searches):
            site.get(path)
        assert site.questions("/issues") == 0
        assert site.questions(searches[-1]) == 0
        before = site.taken
        site.get(searches[0])
        assert site.taken > before


def test_pages_for_a_language_are_kept_apart(site: Site) -> None:
    assert '<html lang="en"' in site.get("/issues", accept_language="en").text
    assert '<html lang="zh-CN"' in site.get("/issues", accept_language="zh-TW,zh;q=0.9").text
    assert '<html lang="zh-CN"' in site.get("/issues?lang=zh-CN", accept_language="en").text
    assert "?lang=en" in site.get("/issues?lang=en").text
    assert '<html lang="en"' in site.get("/issues", accept_language="en-GB").text
    assert site.questions("/issues", accept_language="fr, zh-HK;q=0.1") == 0


def test_only_what_a_page_understands_makes_it_another_page(site: Site) -> None:
    site.get("/issues/2026-11-23")
    assert site.questions("/issues/2026-11-23?utm_source=elsewhere&lang=xx") == 0
    assert site.questions("/issues/2026-11-23?page=2") > 0
    assert "elsewhere" not in site.get("/issues/2026-11-23?utm_source=elsewhere").text
    assert site.get("/issues/2026-11-23?page=0").status_code == 404
    moved = site.browser.get("/papers/https://arxiv.org/abs/2603.00000?x=1", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (308, "/papers/2603.00000")


@pytest.mark.parametrize("path", [path for path in PUBLIC if not path.startswith(("/papers", "/search"))])
def test_parameters_that_a_page_ignores_do_not_make_it_another_page(site: Site, path: str) -> None:
    site.get(path)
    site.clock.now = 5
    unread = ["q=x", "utm_source=x", *([] if path.count("/") == 2 and path[1] in "it" else ["page=2"])]
    unread += [] if path == "/issues" else ["month=2026-11"]
    assert [site.get(f"{path}?{query}").headers["age"] for query in unread] == ["5"] * len(unread)


def test_somebody_who_has_the_page_gets_304_without_a_question(site: Site) -> None:
    for path in ("/", "/papers/2603.00000", "/feed.atom"):
        tag = site.get(path).headers["etag"]
        before = site.taken
        assert (site.get(path, if_none_match=tag).status_code, site.get(path, if_none_match='"x"').status_code) == (
            304,
            200,
        )
        assert site.taken == before


def test_head_is_answered_from_memory_too(site: Site) -> None:
    page = site.get("/issues")
    before = site.taken
    head = site.browser.head("/issues")
    assert (head.content, head.headers["content-length"], site.taken) == (
        b"",
        page.headers["content-length"],
        before,
    )
    site.browser.head("/topics/vision")
    assert site.get("/topics/vision").text.endswith("</html>")


# --- age and issues ---


def test_an_old_page_is_shown_while_it_is_made_anew(site: Site) -> None:
    before = site.get("/papers/2603.00000")
    add_papers(site.engine, range(1), title="A better title")
    site.clock.now = LIFETIME + 1
    site.editions.read()
    old = site.get("/papers/2603.00000")
    assert (old.text, old.headers["age"]) == (before.text, "301")
    while "A better title" not in site.get("/papers/2603.00000").text:
        assert site.editions.edition.number == 1


def test_a_page_that_nobody_saw_for_long_is_made_anew_first(site: Site) -> None:
    site.get("/papers/2603.00000")
    add_papers(site.engine, range(1), title="A better title")
    site.clock.now = 2 * LIFETIME + 1
    site.editions.read()
    assert "A better title" in site.get("/papers/2603.00000").text


def test_a_new_issue_changes_the_pages_that_show_it_and_no_others(site: Site, clock: Clock) -> None:
    tomorrow = START + timedelta(days=1)
    changed = ("/", "/issues", "/feed.atom", "/papers/2603.00900")
    kept = ("/papers/2603.00950", "/issues/2026-11-23")
    add_papers(site.engine, range(950, 951), seen_at=START - timedelta(days=60), listed_at=START - timedelta(days=60))
    add_papers(site.engine, range(900, 905), seen_at=tomorrow - timedelta(hours=6), listed_at=tomorrow)
    before = {path: site.get(path).text for path in (*changed, *kept)}
    clock.move_to(tomorrow)
    cut(site.engine, tomorrow.date(), tomorrow)
    site.editions.read()
    for path in changed:
        while site.get(path).text == before[path]:  # shown as it was while it is made anew
            assert site.editions.edition.number == 2
    assert sum(site.questions(path) for path in kept) == 0


# --- many at the same time ---


def test_visitors_who_want_the_same_page_wait_for_one_that_makes_it(site: Site) -> None:
    site.get("/topics")  # which looks whether the database is migrated
    site.taken = 0
    assert site.calls(*["/topics/agents"] * 12) == [200] * 12
    assert site.taken == 1


def test_what_needs_no_database_needs_no_thread(site: Site) -> None:
    site.get("/")
    assert site.browser.portal is not None
    threads = site.browser.portal.call(current_default_thread_limiter)
    free = int(threads.total_tokens)
    for number in range(free):
        site.browser.portal.call(threads.acquire_on_behalf_of_nowait, number)
    assert site.calls("/", "/healthz", "/static/digest.css", "/privacy") == [200] * 4
    for number in range(free):
        site.browser.portal.call(threads.release_on_behalf_of, number)


def test_pages_come_while_the_database_is_away(site: Site) -> None:
    site.get("/")
    site.clock.now = 1e6  # seconds: the watch has not read for long
    assert site.questions("/") == 0
    assert site.get("/").status_code == 200
    assert site.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("problem", "status"),
    [(RuntimeError("the disk is on fire"), 500), (OperationalError("SELECT", {}, Exception("away")), 503)],
)
def test_a_page_that_cannot_be_made_anew_stays_as_it_was(site: Site, problem: Exception, status: int) -> None:
    def fail(*_statement: object) -> None:
        raise problem

    before = site.get("/issues").text
    site.clock.now = 2 * LIFETIME + 1
    site.editions.read()
    event.listen(site.engine, "checkout", fail)
    assert site.get("/issues").text == before
    assert site.get("/issues/2026-11-22").status_code == status
    event.remove(site.engine, "checkout", fail)
    assert site.get("/issues/2026-11-22").status_code == 200


# --- room ---


def test_answers_take_no_more_room_than_they_may() -> None:
    page = "".join(f"<p class='line'>The line with number {number}</p>" for number in range(300)).encode()
    cache = AnswerCache(200_000)
    for number in range(500):
        wanted = Wanted(f"/papers/{number}", "", "en")
        cache.put(wanted, Answer(200, ((b"vary", b"x"),), b'"1"', page + b"%d" % number, 0.0, 1))
        assert cache.size <= 200_000
    newest = cache.get(Wanted("/papers/499", "", "en"))
    assert newest is not None
    assert newest.body == page + b"499"
    assert cache.get(Wanted("/papers/0", "", "en")) is None
    assert len(cache) > 100  # pages of 13 kB


def test_a_withdrawn_issue_is_gone_at_once_and_comes_back_when_it_is_shown_again(site: Site) -> None:
    paths = ("/", "/issues", "/issues/2026-11-23", "/papers/2603.00000", "/sitemap/pages.xml", "/feed.atom")
    before = {path: site.get(path).content for path in paths}
    with read_only(site.engine) as connection:
        (number,) = connection.execute(
            select(issues.c.id).where(issues.c.date == START.date(), issues.c.kind == "daily")
        ).scalars()
    withdrawing.withdraw(site.engine, number, "", START)
    site.editions.read()
    assert site.get("/issues/2026-11-23").status_code == 410
    assert all(site.get(path).content != content for path, content in before.items())
    assert site.get("/papers/2603.00000").status_code == 200
    withdrawing.show_again(site.engine, number, START)
    site.editions.read()
    assert site.get("/issues/2026-11-23").status_code == 200
