"""The newest papers for feed readers: of all issues and of each topic, with the pages of topics beside them.

A feed is in English: its entries keep their ids, and feed readers send no language that somebody chose.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import Connection

from digest.database.engine import read_only
from digest.issues.archive import Appearance, appearances, newest_cut
from digest.language import _
from digest.papers.topics import TOPICS, Topic, matches_topic
from digest.text import one_line
from digest.web.caching import same_for_all
from digest.web.cards import UNTITLED, card
from digest.web.paging import page_asked, pages_of
from digest.web.public.feed import Feed, FeedEntry, as_atom, as_json
from digest.web.site import Site, TheSite

_BEST, _BEST_FOR_TOPICS = 10, 50  # places of an issue that count
_ISSUES = 14
_ENTRIES = 50
_PER_PAGE = 10
_NEVER = datetime(2026, 1, 1, tzinfo=UTC)  # what a feed without entries says of its last change
_ATOM, _JSON = "application/atom+xml; charset=utf-8", "application/feed+json; charset=utf-8"

router = APIRouter()


@router.api_route("/feed.atom", methods=["GET", "HEAD"])
def atom(site: TheSite, request: Request) -> Response:
    """The ten best papers of each issue, as Atom."""
    return _answer(site, request, None, as_atom, _ATOM)


@router.api_route("/feed.json", methods=["GET", "HEAD"])
def json_feed(site: TheSite, request: Request) -> Response:
    """The same as JSON Feed."""
    return _answer(site, request, None, as_json, _JSON)


@router.api_route("/topics", methods=["GET", "HEAD"])
def topics_page(site: TheSite, request: Request) -> Response:
    """Every topic, with its feeds."""
    return same_for_all(request, site.pages.show("topics", canonical=f"{site.settings.public_url}/topics"))


@router.api_route("/topics/{slug}", methods=["GET", "HEAD"])
def topic_page(site: TheSite, request: Request, slug: str) -> Response:
    """What the last issues had on one topic."""
    topic, page = _topic(slug), page_asked(request)
    with read_only(site.engine) as connection:
        found = _newest(connection, topic)
    pages = pages_of(len(found), _PER_PAGE, page)
    cards = [card(one.ranked) for one in found[(page - 1) * _PER_PAGE : page * _PER_PAGE]]
    canonical = f"{site.settings.public_url}/topics/{topic.slug}"
    answer = site.pages.show("topic", topic=topic, cards=cards, page=page, pages=pages, canonical=canonical)
    return same_for_all(request, answer)


@router.api_route("/topics/{slug}/feed.atom", methods=["GET", "HEAD"])
def topic_atom(site: TheSite, request: Request, slug: str) -> Response:
    """The newest papers of a topic, as Atom."""
    return _answer(site, request, _topic(slug), as_atom, _ATOM)


@router.api_route("/topics/{slug}/feed.json", methods=["GET", "HEAD"])
def topic_json_feed(site: TheSite, request: Request, slug: str) -> Response:
    """The same as JSON Feed."""
    return _answer(site, request, _topic(slug), as_json, _JSON)


def _answer(
    site: Site, request: Request, topic: Topic | None, write: Callable[[Feed], bytes], media_type: str
) -> Response:
    with read_only(site.engine) as connection:
        found, cut_at = _newest(connection, topic), newest_cut(connection)
    feed = _feed(site, topic, found[:_ENTRIES])
    return same_for_all(request, Response(write(feed), media_type=media_type), cut_at)


def _topic(slug: str) -> Topic:
    for topic in TOPICS:
        if topic.slug == slug:
            return topic
    raise HTTPException(404, _("We don’t have that topic. The topics page lists the ones we have."))


def _newest(connection: Connection, topic: Topic | None) -> list[Appearance]:
    if topic is None:
        return appearances(connection, _BEST, _ISSUES)
    return [one for one in appearances(connection, _BEST_FOR_TOPICS, _ISSUES) if matches_topic(one.ranked.paper, topic)]


def _feed(site: Site, topic: Topic | None, found: list[Appearance]) -> Feed:
    public_url, title = site.settings.public_url, site.settings.title
    home = f"{public_url}/topics/{topic.slug}" if topic else f"{public_url}/issues"
    base = f"{public_url}/topics/{topic.slug}" if topic else public_url
    return Feed(
        id=_tag(public_url, f"topic/{topic.slug}" if topic else "feed"),
        title=f"{title}: {topic.name}" if topic else title,
        subtitle="The best papers of each day, without repeats.",
        home=home,
        atom=f"{base}/feed.atom",
        json=f"{base}/feed.json",
        updated=max((one.cut_at for one in found), default=_NEVER),
        author=title,
        entries=[_entry(public_url, one) for one in found],
    )


def _entry(public_url: str, one: Appearance) -> FeedEntry:
    paper = one.ranked.paper
    return FeedEntry(
        id=_tag(public_url, f"paper/{quote(paper.id, safe='/:')}"),
        url=public_url + paper.path,
        title=one_line(paper.title) or UNTITLED,
        summary=one_line(paper.summary),
        text=one_line(paper.abstract),
        authors=tuple(one_line(name) for name in paper.authors),
        categories=paper.categories,
        published=one.cut_at,
    )


def _tag(public_url: str, name: str) -> str:
    """A tag address (RFC 4151), which stays the same whatever becomes of the pages."""
    return f"tag:{urlsplit(public_url).hostname},2026:{name}"
