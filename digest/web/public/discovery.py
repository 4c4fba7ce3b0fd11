"""For search engines: robots.txt and the sitemap, which is an index of several documents.

All papers together would be a document of megabytes. The papers of a past day hardly change.
"""

from collections.abc import Iterable
from urllib.parse import quote
from xml.sax.saxutils import escape

from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from digest.database.engine import read_singly
from digest.issues.figures import days_of_issues
from digest.papers.store import days_of_papers, papers_of_day
from digest.papers.topics import TOPICS
from digest.text import parse_date
from digest.web.guard import PERSONAL_PATHS
from digest.web.public import choosing
from digest.web.site import PageRouter, Site, TheSite, same_for_all

_CLOSED = (*PERSONAL_PATHS, "/console", "/inbox", "/search")
_ISSUES, _PAPERS = 5_000, 50_000  # what a document of a sitemap may hold (https://www.sitemaps.org/protocol.html)

router = PageRouter()


@router.page("/favicon.ico")
@router.page("/apple-touch-icon.png")
def icon(site: TheSite, request: Request) -> Response:
    """For what looks for an icon without reading a page."""
    return RedirectResponse(site.pages.asset(request.url.path.rpartition("/")[2]), 302)


@router.page("/robots.txt")
def robots(site: TheSite, request: Request) -> Response:
    """Everything may be read but what belongs to one subscriber (RFC 9309)."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in _CLOSED)]
    lines += ["", f"Sitemap: {site.settings.public_url}/sitemap.xml", ""]
    return same_for_all(request, Response("\n".join(lines), media_type="text/plain; charset=utf-8"))


@router.page("/sitemap.xml")
def sitemap(site: TheSite, request: Request) -> Response:
    """The documents of the sitemap: one of pages and issues, and one of the papers of each day."""
    with read_singly(site.engine) as connection:
        days = days_of_papers(connection)
    paths = ["/sitemap/pages.xml", *(f"/sitemap/{day}.xml" for day in days)]
    return _document(site, request, "sitemapindex", "sitemap", paths)


@router.page("/sitemap/pages.xml")
def sitemap_of_pages(site: TheSite, request: Request) -> Response:
    """The pages that are open to everybody, except for papers."""
    with read_singly(site.engine) as connection:
        days = days_of_issues(connection, _ISSUES)
    paths = ["/", "/issues", "/topics", choosing.PATH, "/privacy", *(f"/topics/{topic.slug}" for topic in TOPICS)]
    return _document(site, request, "urlset", "url", [*paths, *(f"/issues/{day}" for day in days)])


@router.page("/sitemap/{day}.xml")
def sitemap_of_day(site: TheSite, request: Request, day: str) -> Response:
    """The papers that were first seen on this day."""
    seen_on = parse_date(day)
    if seen_on is None:
        raise HTTPException(404)
    with read_singly(site.engine) as connection:
        ids = papers_of_day(connection, seen_on, _PAPERS)
    if not ids:
        raise HTTPException(404)  # a document must name something, and no other addresses are kept in memory
    # All at once, which takes a tenth of the time.
    paths = quote("".join(f"/papers/{paper_id}\n" for paper_id in ids), safe="/:\n").splitlines()
    return _document(site, request, "urlset", "url", paths)


def _document(site: Site, request: Request, name: str, entry: str, paths: Iterable[str]) -> Response:
    """`paths` as they are in an address: none of their characters is special in XML."""
    start = f"<{entry}><loc>{escape(site.settings.public_url)}"
    lines = "\n".join(f"{start}{path}</loc></{entry}>" for path in paths)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{name} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}\n</{name}>\n'
    )
    return same_for_all(request, Response(text, media_type="application/xml"))
