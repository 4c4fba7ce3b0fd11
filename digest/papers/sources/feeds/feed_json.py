"""Reads a JSON record of an operator's own list as a paper. docs/sources.md lists its fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from digest.papers.paper import Paper, paper_id_of
from digest.papers.sources.reading import count_of, instant_of, text_of, web_address_of

MAX_RECORDS = 20_000  # a document of 10 MB can have 300,000, and reading these would take a minute
TOO_MANY = f"only the first {MAX_RECORDS:,} records were read; split the list into several"
_ABSTRACTS = ("abstract", "content_text", "content_html")


@dataclass(frozen=True, slots=True)
class Item:
    """A paper on a list with its votes there, and whether it was withdrawn."""

    paper: Paper
    upvotes: int | None = None
    comments: int = 0
    withdrawn: bool = False


def item_of(record: Any) -> Item | str:
    """The item in a record, also of a JSON Feed (jsonfeed.org), or why there is none."""
    if not isinstance(record, dict):
        return "it is not a JSON object"
    names = [record.get(name) for name in ("id", "url", "external_url")]
    url = next(filter(None, map(web_address_of, [*names[1:], names[0]])), "")
    paper_id = paper_id_of(*names)
    if paper_id is None:
        return "it has neither an id nor a url"
    withdrawn = record.get("withdrawn") is True
    title = text_of(record.get("title"))
    if not title and not withdrawn:
        return "it has no title"
    return Item(
        _paper(record, paper_id, title, url),
        count_of(record.get("votes")),
        count_of(record.get("comments")) or 0,
        withdrawn,
    )


def page_of(paper_id: str, url: str) -> str:
    """The canonical page of a paper: arXiv's for all versions, else the address on the list."""
    return url if paper_id.startswith("feeds:") else f"https://arxiv.org/abs/{paper_id}"


def _paper(record: dict[str, Any], paper_id: str, title: str, url: str) -> Paper:
    return Paper(
        id=paper_id,
        title=title,
        abstract=next(filter(None, (text_of(record.get(name)) for name in _ABSTRACTS)), ""),
        summary=text_of(record.get("summary")),
        authors=tuple(_texts(record.get("authors"))),
        organization=text_of(record.get("organization")),
        categories=tuple(_texts(record.get("categories", record.get("tags")))),
        keywords=tuple(_texts(record.get("keywords"))),
        published_at=instant_of(record.get("published_at", record.get("date_published"))),
        listed_at=instant_of(record.get("listed_at")),
        url=page_of(paper_id, url),
        code_url=web_address_of(record.get("code_url")),
        project_url=web_address_of(record.get("project_url")),
    )


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if text := text_of(item.get("name") if isinstance(item, dict) else item):
            yield text
