"""The newest papers for feed readers: of all issues and of each topic, and the pages of topics.

A feed is in English: its entries keep their ids, and feed readers send no language that somebody chose.
"""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, HTTPException, Request, Response
from sqlalchemy import Connection

from digest.database.engine import read_only
from digest.issues.archive import Appearance, appearances, newest_cut
from digest.language import _
from digest.papers.topics import Topic, matches_topic, topic_with
from digest.text import one_line
from digest.web.caching import same_for_all
from digest.web.cards import UNTITLED, card
from digest.web.paging import page_number, pages_of
from digest.web.public.feed import Feed, FeedEntry, as_json, rfc3339
from digest.web.site import PageRouter, Site, TheSite

_BEST, _BEST_FOR_TOPICS = 10, 50  # ranks of an issue that count
_ISSUES = 14
_ENTRIES = 50
_PER_PAGE = 10
_NEVER = datetime(2026, 1, 1, tzinfo=UTC)  # the last change of a feed without entries
_ATOM, _JSON = "application/atom+xml; charset=utf-8", "application/feed+json; charset=utf-8"

router = PageRouter()


def _topic(slug: str) -> Topic:
    topic = topic_with(slug)
    if topic is None:
        raise HTTPException(404, _("We don’t have that topic. The topics page lists the ones we have."))
    return topic


TheTopic = Annotated[Topic, Depends(_topic)]


@router.page("/topics")
def topics_page(site: TheSite, request: Request) -> Response:
    """Every topic, with its feeds."""
    return same_for_all(request, site.pages.show("topics", canonical=f"{site.settings.public_url}/topics"))


@router.page("/topics/{slug}")
def topic_page(site: TheSite, request: Request, topic: TheTopic) -> Response:
    """What the last issues had on one topic."""
    page = page_number(request)
    with read_only(site.engine) as connection:
        newest = _newest(connection, topic)
    pages = pages_of(len(newest), _PER_PAGE, page)
    cards = [card(appearance.ranked) for appearance in newest[(page - 1) * _PER_PAGE : page * _PER_PAGE]]
    canonical = f"{site.settings.public_url}/topics/{topic.slug}"
    answer = site.pages.show("topic", topic=topic, cards=cards, page=page, pages=pages, canonical=canonical)
    return same_for_all(request, answer)


@router.page("/feed.atom")
def atom(site: TheSite, request: Request) -> Response:
    """The ten best papers of each issue, as Atom."""
    return _as_atom(site, request)


@router.page("/topics/{slug}/feed.atom")
def topic_atom(site: TheSite, request: Request, topic: TheTopic) -> Response:
    """The newest papers of a topic, as Atom."""
    return _as_atom(site, request, topic)


@router.page("/feed.json")
def json_feed(site: TheSite, request: Request) -> Response:
    """The ten best papers of each issue, as JSON Feed."""
    return _as_json(site, request)


@router.page("/topics/{slug}/feed.json")
def topic_json_feed(site: TheSite, request: Request, topic: TheTopic) -> Response:
    """The newest papers of a topic, as JSON Feed."""
    return _as_json(site, request, topic)


def _as_atom(site: Site, request: Request, topic: Topic | None = None) -> Response:
    feed, cut_at = _feed(site, topic)
    document = site.pages.render("feed.atom", feed=feed, rfc3339=rfc3339)
    return same_for_all(request, Response(document, media_type=_ATOM), cut_at)


def _as_json(site: Site, request: Request, topic: Topic | None = None) -> Response:
    feed, cut_at = _feed(site, topic)
    return same_for_all(request, Response(as_json(feed), media_type=_JSON), cut_at)


def _newest(connection: Connection, topic: Topic | None) -> list[Appearance]:
    if topic is None:
        return appearances(connection, _BEST, _ISSUES)
    newest = appearances(connection, _BEST_FOR_TOPICS, _ISSUES)
    return [appearance for appearance in newest if matches_topic(appearance.ranked.paper, topic)]


def _feed(site: Site, topic: Topic | None) -> tuple[Feed, datetime | None]:
    """The feed, and when the newest issue was cut."""
    with read_only(site.engine) as connection:
        newest, cut_at = _newest(connection, topic)[:_ENTRIES], newest_cut(connection)
    public_url, title = site.settings.public_url, site.settings.title
    base = f"{public_url}/topics/{topic.slug}" if topic else public_url
    feed = Feed(
        id=_tag(public_url, f"topic/{topic.slug}" if topic else "feed"),
        title=f"{title}: {topic.name}" if topic else title,
        subtitle="The best papers of each day, without repeats.",
        home=base if topic else f"{public_url}/issues",
        atom=f"{base}/feed.atom",
        json=f"{base}/feed.json",
        updated=max((appearance.cut_at for appearance in newest), default=_NEVER),
        author=title,
        entries=[_entry(public_url, appearance) for appearance in newest],
    )
    return feed, cut_at


def _entry(public_url: str, appearance: Appearance) -> FeedEntry:
    paper = appearance.ranked.paper
    return FeedEntry(
        id=_tag(public_url, f"paper/{quote(paper.id, safe='/:')}"),
        url=public_url + paper.path,
        title=one_line(paper.title) or UNTITLED,
        summary=one_line(paper.summary),
        text=one_line(paper.abstract),
        authors=tuple(one_line(name) for name in paper.authors),
        categories=tuple(one_line(category) for category in paper.categories),
        published=appearance.cut_at,
    )


def _tag(public_url: str, name: str) -> str:
    """A tag address (RFC 4151), which stays the same whatever becomes of the pages."""
    return f"tag:{urlsplit(public_url).hostname},2026:{name}"
