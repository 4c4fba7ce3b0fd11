"""For search engines: robots.txt and the sitemap, which is an index of several documents.

All papers together would be a document of megabytes. The papers of a past week hardly change.
"""

from collections.abc import Iterable
from urllib.parse import quote
from xml.sax.saxutils import escape

from fastapi import HTTPException, Request, Response

from digest.database.engine import read_only
from digest.issues.archive import days_of_issues, papers_of_week, weeks_of_papers
from digest.papers.topics import TOPICS
from digest.text import parse_date
from digest.web.guard import PERSONAL_PATHS
from digest.web.public import choosing
from digest.web.site import PageRouter, Site, TheSite, same_for_all

_CLOSED = (*PERSONAL_PATHS, "/console", "/inbox", "/search")
_ISSUES, _PAPERS = 5_000, 50_000  # what a document of a sitemap may hold (https://www.sitemaps.org/protocol.html)

router = PageRouter()


@router.page("/robots.txt")
def robots(site: TheSite, request: Request) -> Response:
    """Everything may be read but what belongs to one subscriber (RFC 9309)."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in _CLOSED)]
    lines += ["", f"Sitemap: {site.settings.public_url}/sitemap.xml", ""]
    return same_for_all(request, Response("\n".join(lines), media_type="text/plain; charset=utf-8"))


@router.page("/sitemap.xml")
def sitemap(site: TheSite, request: Request) -> Response:
    """The documents of the sitemap: one of pages and issues, and one of the papers of each week."""
    with read_only(site.engine) as connection:
        weeks = weeks_of_papers(connection)
    paths = ["/sitemap/pages.xml", *(f"/sitemap/{monday}.xml" for monday in weeks)]
    return _document(site, request, "sitemapindex", "sitemap", paths)


@router.page("/sitemap/pages.xml")
def sitemap_of_pages(site: TheSite, request: Request) -> Response:
    """The pages that are open to everybody, except for papers."""
    with read_only(site.engine) as connection:
        days = days_of_issues(connection, _ISSUES)
    paths = ["/", "/issues", "/topics", choosing.PATH, "/privacy", *(f"/topics/{topic.slug}" for topic in TOPICS)]
    return _document(site, request, "urlset", "url", [*paths, *(f"/issues/{day}" for day in days)])


@router.page("/sitemap/{monday}.xml")
def sitemap_of_week(site: TheSite, request: Request, monday: str) -> Response:
    """The papers that were first seen in the week that begins with this day."""
    day = parse_date(monday)
    if day is None or day.weekday():
        raise HTTPException(404)
    with read_only(site.engine) as connection:
        ids = papers_of_week(connection, day, _PAPERS)
    return _document(site, request, "urlset", "url", [f"/papers/{quote(paper_id, safe='/:')}" for paper_id in ids])


def _document(site: Site, request: Request, name: str, entry: str, paths: Iterable[str]) -> Response:
    public_url = site.settings.public_url
    lines = "\n".join(f"<{entry}><loc>{escape(public_url + path)}</loc></{entry}>" for path in paths)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{name} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}\n</{name}>\n'
    )
    return same_for_all(request, Response(text, media_type="application/xml"))
