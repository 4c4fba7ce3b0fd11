"""Reads the entries of any Atom or RSS feed as papers. arXiv's own feeds are read in sources/arxiv_xml.py."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from digest.papers.paper import Paper
from digest.papers.sources.feeds.feed_json import Item, id_of, page_of
from digest.papers.sources.reading import text_of, web_address_of
from digest.papers.sources.source import SourceUnavailable
from digest.papers.sources.xml import BrokenXml, authors, categories, children, elements, first_instant, texts


def items(body: bytes) -> Iterator[Item | str]:
    """Every entry as an item, or the reason why it is not; the last reason may be a truncated document.

    Raises SourceUnavailable when the document is not a feed.
    """
    is_feed = False
    try:
        for is_whole, name, element in elements(body):
            if not is_whole:
                is_feed = is_feed or name in ("feed", "rss", "RDF")
            elif name in ("entry", "item"):
                yield _item(element)
                element.clear()
            elif name == "deleted-entry":  # RFC 6721
                deleted = id_of([element.get("ref")])
                yield Item(Paper(deleted, ""), withdrawn=True) if deleted else "a deleted entry does not say which"
    except BrokenXml as problem:
        if is_feed:
            yield f"the XML cannot be read beyond this point ({problem})"
    if not is_feed:
        raise SourceUnavailable("neither Atom nor RSS")


def _item(entry: Element) -> Item | str:
    links = [link.get("href") or link.text or "" for link in children(entry, "link")]
    url = next(filter(None, map(web_address_of, links)), "")
    paper_id = id_of([*texts(entry, "id", "guid"), *links])
    title = text_of(" ".join(texts(entry, "title")[:1]))
    if paper_id is None:
        return "it has neither an id nor a link"
    if not title:
        return "it has no title"
    return Item(
        Paper(
            id=paper_id,
            title=title,
            abstract=text_of(next(iter(texts(entry, "summary", "description", "content")), "")),
            authors=tuple(authors(entry, ", ")),
            categories=tuple(categories(entry, "category")),
            published_at=first_instant(texts(entry, "published", "pubDate", "date", "updated")),
            url=page_of(paper_id, url),
        )
    )
