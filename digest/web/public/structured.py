"""Pages → schema.org, as JSON-LD. The CSP allows a data block, since it is not a script. Pure."""

from datetime import date
from typing import Any

from digest.papers.paper import Paper, RankedPaper
from digest.text import one_line

_MOST_AUTHORS = 20
_SCHEMA = "https://schema.org"


def article(paper: Paper, address: str) -> dict[str, Any]:
    """One paper, as https://schema.org/ScholarlyArticle."""
    facts: dict[str, Any] = {
        "@context": _SCHEMA,
        "@type": "ScholarlyArticle",
        "name": one_line(paper.title),
        "url": address,
        "author": [{"@type": "Person", "name": one_line(name)} for name in paper.authors[:_MOST_AUTHORS]],
        "abstract": one_line(paper.abstract or paper.summary),
        "datePublished": paper.published_at.date().isoformat() if paper.published_at else "",
        "sameAs": paper.url if paper.url.startswith("https://") else "",
    }
    return {name: value for name, value in facts.items() if value}


def collection(day: date, ranked: list[tuple[RankedPaper, str]], address: str, title: str) -> dict[str, Any]:
    """One issue, as https://schema.org/CollectionPage; `ranked` has each paper with the address of its page."""
    return {
        "@context": _SCHEMA,
        "@type": "CollectionPage",
        "name": f"{title}, {day.isoformat()}",
        "url": address,
        "datePublished": day.isoformat(),
        "mainEntity": {
            "@type": "ItemList",
            "itemListElement": [{"@type": "ListItem", "position": one.rank, "url": page} for one, page in ranked],
        },
    }
