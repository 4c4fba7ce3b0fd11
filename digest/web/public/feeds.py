"""The newest papers for feed readers: of all issues and of each topic, and the pages of topics.

The entries are JSON Feed 1.1 (https://jsonfeed.org/version/1.1), which Atom is made from.
A feed is in English: its entries keep their ids, and feed readers send no language that somebody chose.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Response
from markupsafe import escape
from sqlalchemy import Connection

from digest.database.engine import read_singly
from digest.issues.archive import Appearance, appearances
from digest.issues.figures import count_by_topic, newest_cut
from digest.issues.store import BEST_FOR_TOPICS
from digest.language import SOURCE, _
from digest.mail.compose.cards import written_by
from digest.papers.topics import Topic, topic_with
from digest.text import one_line
from digest.web.cards import UNTITLED, card
from digest.web.site import PageNumber, PageRouter, Site, TheSite, pages_of, same_for_all

_BEST = 10  # ranks of an issue that the feed of all issues shows
_ENTRIES = 50
_PER_PAGE = 10
_NEVER = "2026-01-01T00:00:00+00:00"  # the last change of a feed without entries
ATOM, _JSON = "application/atom+xml; charset=utf-8", "application/feed+json; charset=utf-8"

router = PageRouter()


async def _topic(request: Request) -> Topic | None:  # asynchronous, since it needs no thread
    """The topic in the address, if one belongs there."""
    slug = request.path_params.get("slug")
    topic = topic_with(slug) if slug else None
    if slug and topic is None:
        raise HTTPException(404, _("We don’t have that topic. The topics page lists the ones we have."))
    return topic


TheTopic = Annotated[Topic | None, Depends(_topic)]


@router.page("/topics")
def topics_page(site: TheSite, request: Request) -> Response:
    """Every topic, with the number of its papers in recent issues."""
    with read_singly(site.engine) as connection:
        counts = count_by_topic(connection)
    canonical = f"{site.settings.public_url}/topics"
    return same_for_all(request, site.pages.show("topics", counts=counts, canonical=canonical))


@router.page("/topics/{slug}")
def topic_page(site: TheSite, request: Request, topic: TheTopic, page: PageNumber = 1) -> Response:
    """The papers of recent issues on one topic."""
    with read_singly(site.engine) as connection:
        newest, total = _newest(connection, topic, _PER_PAGE, (page - 1) * _PER_PAGE)
    pages = pages_of(total, _PER_PAGE, page)
    cards = [card(appearance.listed, ranked_on=appearance.day) for appearance in newest]
    answer = site.pages.show("topic", topic=topic, cards=cards, page=page, pages=pages, canonical=_base(site, topic))
    return same_for_all(request, answer)


@router.page("/feed.atom")
@router.page("/topics/{slug}/feed.atom")
def atom(site: TheSite, request: Request, topic: TheTopic) -> Response:
    """The ten best papers of each issue, or the newest of a topic, as Atom."""
    feed, cut_at = _feed(site, topic)
    document = as_atom(feed, tag(site, f"topic/{topic.slug}" if topic else "feed"), _base(site, topic))
    return same_for_all(request, Response(document, media_type=ATOM), cut_at)


@router.page("/feed.json")
@router.page("/topics/{slug}/feed.json")
def json_feed(site: TheSite, request: Request, topic: TheTopic) -> Response:
    """The same as JSON Feed."""
    feed, cut_at = _feed(site, topic)
    return same_for_all(request, Response(json.dumps(feed, ensure_ascii=False), media_type=_JSON), cut_at)


def _newest(connection: Connection, topic: Topic | None, limit: int, offset: int = 0) -> tuple[list[Appearance], int]:
    if topic is None:
        return appearances(connection, _BEST, limit, offset)
    return appearances(connection, BEST_FOR_TOPICS, limit, offset, topic.slug)


def _feed(site: Site, topic: Topic | None) -> tuple[dict[str, Any], datetime | None]:
    """The feed, and when the newest issue was cut."""
    with read_singly(site.engine) as connection:
        (newest, _total), cut_at = _newest(connection, topic, _ENTRIES), newest_cut(connection)
    public_url, prefix = site.settings.public_url, tag(site, "paper")
    title, voted = site.settings.title, any(appearance.listed.has_votes for appearance in newest)
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": f"{title}: {topic.name}" if topic else title,
        "description": f"{'The best' if voted else 'New'} papers of each day, without repeats.",
        "home_page_url": _base(site, topic) if topic else f"{public_url}/issues",
        "feed_url": f"{_base(site, topic)}/feed.json",
        "language": "en",
        "authors": [{"name": title}],
        "items": [_item(appearance, public_url, prefix) for appearance in newest],
    }
    return feed, cut_at


def _item(appearance: Appearance, public_url: str, prefix: str) -> dict[str, Any]:
    paper = appearance.listed.paper
    path, title, made = paper.path, one_line(paper.title) or UNTITLED, paper.model_summary_in(SOURCE)
    summary = f"{made.text} ({written_by(made)})" if made else one_line(paper.summary)
    optional = {
        "summary": summary,
        "authors": [{"name": one_line(name)} for name in paper.authors],
        "tags": [one_line(category) for category in paper.categories],
    }
    return {
        "id": prefix + path.removeprefix("/papers"),
        "url": public_url + path,
        "title": title,
        "content_text": one_line(paper.abstract) or summary or title,
        "date_published": appearance.cut_at.isoformat(timespec="seconds"),
    } | {name: value for name, value in optional.items() if value}


def as_atom(feed: dict[str, Any], feed_id: str, base: str) -> str:
    """The feed as Atom (RFC 4287). It is written here since a template would take five times as long."""
    updated = max((item["date_published"] for item in feed["items"]), default=_NEVER)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{escape(feed["language"])}">
<id>{escape(feed_id)}</id>
<title>{escape(feed["title"])}</title>
<subtitle>{escape(feed["description"])}</subtitle>
<updated>{updated}</updated>
<author>
<name>{escape(feed["authors"][0]["name"])}</name>
</author>
<link rel="self" type="application/atom+xml" href="{escape(base)}/feed.atom"/>
<link rel="alternate" type="text/html" href="{escape(feed["home_page_url"])}"/>
{"".join(map(_entry, feed["items"]))}</feed>"""


def _entry(item: dict[str, Any]) -> str:
    """No text has a line break, so those of an entry are escaped together, which takes less time."""
    texts = (item["id"], item["title"], item["url"], item["content_text"], item.get("summary", ""))
    entry_id, title, url, content, summary = str(escape("\n".join(texts))).split("\n")
    summary = f"<summary>{summary}</summary>\n" if summary else ""
    authors = _elements(
        "<author>\n<name>{}</name>\n</author>\n", [author["name"] for author in item.get("authors", ())]
    )
    tags = _elements('<category term="{}"/>\n', item.get("tags", ()))
    return f"""<entry>
<id>{entry_id}</id>
<title>{title}</title>
<updated>{item["date_published"]}</updated>
<published>{item["date_published"]}</published>
<link rel="alternate" type="text/html" href="{url}"/>
{authors}{tags}{summary}<content type="text">{content}</content>
</entry>
"""


def _elements(element: str, texts: Sequence[str]) -> str:
    """`element` for each text in place of its `{}`."""
    start, _, end = element.partition("{}")
    return start + str(escape("\n".join(texts))).replace("\n", end + start) + end if texts else ""


def _base(site: Site, topic: Topic | None) -> str:
    return f"{site.settings.public_url}/topics/{topic.slug}" if topic else site.settings.public_url


def tag(site: Site, name: str) -> str:
    """A tag address (RFC 4151), which stays the same whatever becomes of the pages."""
    return f"tag:{urlsplit(site.settings.public_url).hostname},2026:{name}"
