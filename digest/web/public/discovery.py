"""For search engines: robots.txt and the sitemap."""

from collections.abc import Iterable
from urllib.parse import quote
from xml.sax.saxutils import escape

from fastapi import Request, Response

from digest.database.engine import read_only
from digest.issues.archive import newest_paper_ids
from digest.issues.store import issue_dates
from digest.papers.topics import TOPICS
from digest.web.guard import PERSONAL_PATHS
from digest.web.public import choosing
from digest.web.site import PageRouter, TheSite, same_for_all

_ISSUES, _PAPERS = 5_000, 20_000  # a sitemap may hold 50,000 addresses (https://www.sitemaps.org/protocol.html)
_CLOSED = (*PERSONAL_PATHS, "/inbox", "/search")

router = PageRouter()


@router.page("/robots.txt")
def robots(site: TheSite, request: Request) -> Response:
    """Everything may be read but what belongs to one subscriber (RFC 9309)."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in _CLOSED)]
    lines += ["", f"Sitemap: {site.settings.public_url}/sitemap.xml", ""]
    return same_for_all(request, Response("\n".join(lines), media_type="text/plain; charset=utf-8"))


@router.page("/sitemap.xml")
def sitemap(site: TheSite, request: Request) -> Response:
    """The pages that are open to everybody; of the papers the newest."""
    with read_only(site.engine) as connection:
        days, ids = issue_dates(connection, _ISSUES), newest_paper_ids(connection, _PAPERS)
    paths = ["/", "/issues", "/topics", choosing.PATH, "/privacy", *(f"/topics/{topic.slug}" for topic in TOPICS)]
    paths += [f"/issues/{day}" for day in days]
    paths += [f"/papers/{quote(paper_id, safe='/:')}" for paper_id in ids]
    return same_for_all(request, Response(_document(site.settings.public_url, paths), media_type="application/xml"))


def _document(public_url: str, paths: Iterable[str]) -> str:
    lines = "\n".join(f"<url><loc>{escape(public_url + path)}</loc></url>" for path in paths)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}\n</urlset>\n'
    )
