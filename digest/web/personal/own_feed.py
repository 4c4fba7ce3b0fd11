"""The lists that a subscriber was sent, with the reasons, as an Atom feed behind a link of its own.

It is read-only, and links to public pages alone: a feed reader may show it to others.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import Request, Response
from sqlalchemy import Connection

from digest.database.engine import read_only
from digest.issues.explain import lists_sent
from digest.issues.reasons import place_of
from digest.issues.store import issue_by_id, ranked_with
from digest.language import _
from digest.text import one_line
from digest.web.cards import UNTITLED
from digest.web.personal.links import FeedLink, PersonalLink
from digest.web.public.feeds import ATOM, as_atom, tag
from digest.web.site import PageRouter, same_for_all

_LISTS = 7
_CACHE = "private, max-age=900"

router = PageRouter()


@router.page("/list/{token}/feed.atom")
def own_feed(link: FeedLink, request: Request) -> Response:
    """The subscriber's latest lists, the newest first and each in the order of its email."""
    say, settings = link.pages.language.say, link.site.settings
    with read_only(link.site.engine) as connection:
        items = list(_items(connection, link))
    feed = {
        "title": say(_("%(title)s: your papers", title=settings.title)),
        "description": say(_("The papers we emailed you, and why each one is there.")),
        "home_page_url": f"{settings.public_url}/issues",
        "language": link.pages.language.code,
        "authors": [{"name": settings.title}],
        "items": items,
    }
    base = f"{settings.public_url}/list/{link.text}"
    document = as_atom(feed, tag(link.site, f"list/{link.subscriber.id}"), base)
    return same_for_all(request, Response(document, media_type=ATOM), cache=_CACHE)


def _items(connection: Connection, link: PersonalLink) -> Iterator[dict[str, Any]]:
    say, site = link.pages.language.say, link.site
    for issue_id, chosen_at, selection in lists_sent(connection, link.subscriber.key, _LISTS):
        issue = issue_by_id(connection, issue_id)
        ranked = ranked_with(connection, issue, [pick.paper_id for pick in selection.picks])
        for pick in selection.picks:
            if pick.paper_id not in ranked:  # no longer kept
                continue
            paper = ranked[pick.paper_id].paper
            reason = " · ".join(filter(None, (say(place_of(ranked[pick.paper_id], issue.kind)), pick.why)))
            yield {
                "id": tag(site, f"list/{issue.kind}/{issue.date}") + paper.path,
                "url": site.settings.public_url + paper.path,
                "title": one_line(paper.title) or UNTITLED,
                "summary": one_line(reason),
                "content_text": one_line(f"{reason} — {paper.abstract or paper.summary or paper.title}"),
                "authors": [{"name": one_line(name)} for name in paper.authors],
                "date_published": chosen_at.isoformat(timespec="seconds"),
            }
