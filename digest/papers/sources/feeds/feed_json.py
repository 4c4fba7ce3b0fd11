"""Reads a JSON record of an operator's own list as a paper. docs/sources.md lists its fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from digest.papers.paper import Paper, paper_id_of
from digest.papers.sources.reading import count_of, instant_of, text_of, web_address_of


@dataclass(frozen=True, slots=True)
class Item:
    """A paper on a list with its votes there, and whether it was withdrawn."""

    paper: Paper
    upvotes: int | None = None
    comments: int = 0
    withdrawn: bool = False


def item_of(record: Any) -> Item | str:
    """The item in a record, or why there is none."""
    if not isinstance(record, dict):
        return "it is not a JSON object"
    url = web_address_of(record.get("url")) or web_address_of(record.get("id"))
    paper_id = id_of([record.get("id"), record.get("url")])
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


def id_of(candidates: list[Any]) -> str | None:
    """The id of the first candidate that names a paper on arXiv, else of the first candidate; None without any."""
    ids = [paper_id_of(text) for text in candidates if isinstance(text, str) and text.strip()]
    return next((paper_id for paper_id in ids if not paper_id.startswith("feeds:")), ids[0] if ids else None)


def page_of(paper_id: str, url: str) -> str:
    """The canonical page of a paper: arXiv's for all versions, else the address on the list."""
    return url if paper_id.startswith("feeds:") else f"https://arxiv.org/abs/{paper_id}"


def _paper(record: dict[str, Any], paper_id: str, title: str, url: str) -> Paper:
    return Paper(
        id=paper_id,
        title=title,
        abstract=text_of(record.get("abstract")),
        summary=text_of(record.get("summary")),
        authors=tuple(_texts(record.get("authors"))),
        organization=text_of(record.get("organization")),
        categories=tuple(_texts(record.get("categories"))),
        keywords=tuple(_texts(record.get("keywords"))),
        published_at=instant_of(record.get("published_at")),
        listed_at=instant_of(record.get("listed_at")),
        url=page_of(paper_id, url),
        code_url=web_address_of(record.get("code_url")),
        project_url=web_address_of(record.get("project_url")),
    )


def _texts(value: Any) -> Iterator[str]:
    values = [value] if isinstance(value, str) else value
    yield from filter(None, map(text_of, values if isinstance(values, list) else ()))
