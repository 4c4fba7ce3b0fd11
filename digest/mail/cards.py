"""A paper → the words and links that its card shows. Pure; what others wrote passes mail/words.py."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from digest.issues.reasons import place_of
from digest.mail.words import cut, day_of, number_of, short_title, wire_cost
from digest.papers.paper import Paper, RankedPaper, arxiv_id
from digest.subscribers.opinion import Said

# Encoded HTML beyond about 100 kB is clipped by Gmail; with these limits 25 papers stay below it whatever they hold.
TITLE, EXCERPT, NAME, ORGANIZATION = 180, 240, 32, 44
LONGEST_URL = 130  # on the wire
_PLAIN_URL = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?([/?#][!#-;=?-\[\]_a-z~]*)?")
_SAY = ((Said.MORE, "More like this"), (Said.LESS, "Less"), (Said.READ, "Already read"))
IN_SUBJECT, IN_PREHEADER = 40, 38  # of a title


@dataclass(frozen=True, slots=True)
class Link:
    """Words that say where it leads, and the address."""

    words: str
    url: str


def card_values(ranked: RankedPaper, public_url: str, kind: str = "daily") -> dict[str, Any]:
    """What templates/email/digest/card.* are rendered with: the same for every reader of an issue of `kind`."""
    paper = ranked.paper
    own_page = f"{public_url}/papers/{quote(paper.id, safe='/:')}"
    return {
        "title": cut(paper.title, TITLE) or "Untitled",
        "url": _canonical(paper) or own_page,
        "excerpt": cut(paper.summary, EXCERPT) or cut(paper.abstract, EXCERPT),
        "byline": _byline(paper),
        "published": day_of(paper.published_at.date()) if paper.published_at else "",
        "counts": _counts(ranked.terms),
        "voted": bool(ranked.terms.get("upvotes")),
        "links": [*_links(paper), Link("How it was ranked", own_page)],
        "say": _SAY,
        "paper_path": quote(paper.id, safe="/:"),  # behind the reader's own feedback address
        "place": place_of(ranked, kind),
    }


def in_subject(paper: Paper) -> str:
    """The paper's name where it is the first of a mail."""
    return short_title(paper.title, IN_SUBJECT) or "Untitled"


def in_preheader(paper: Paper) -> str:
    """The paper's name where it is one of the next."""
    return short_title(paper.title, IN_PREHEADER) or "Untitled"


def _canonical(paper: Paper) -> str:
    arxiv = arxiv_id(paper.id)
    return safe_url(paper.url) or (f"https://arxiv.org/abs/{arxiv}" if arxiv else "")


def _links(paper: Paper) -> list[Link]:
    arxiv = arxiv_id(paper.id)
    links = [Link("PDF on arXiv", f"https://arxiv.org/pdf/{arxiv}")] if arxiv else []
    if code := safe_url(paper.code_url):
        links.append(Link("Code on GitHub" if code.startswith("https://github.com/") else "Its code", code))
    if project := safe_url(paper.project_url):
        links.append(Link("Project page", project))
    return links


def safe_url(url: str) -> str:
    """`url` if it is a plain https address that stands in a mail as it is, and not too long, else ""."""
    fits = wire_cost(url[: LONGEST_URL + 1]) <= LONGEST_URL
    return url if fits and _PLAIN_URL.fullmatch(url) else ""


def _byline(paper: Paper) -> list[str]:
    """`First, Second, Third and 4 more`, and the organisation; what is known of the two."""
    names = ", ".join(cut(name, NAME) for name in paper.authors[:3])
    more = f" and {len(paper.authors) - 3} more" if len(paper.authors) > 3 else ""
    return [part for part in (names + more, cut(paper.organization, ORGANIZATION)) if part]


def _counts(terms: dict[str, float]) -> list[str]:
    """`142 votes, +12 since yesterday`, `3 comments`, `350 stars`, of what is known and not nought."""
    known = (("upvotes", "vote"), ("comments", "comment"), ("stars", "star"))
    counts = {term: number_of(int(terms[term]), thing) for term, thing in known if terms.get(term)}
    gained = int(terms.get("gained", 0))
    if "upvotes" in counts and gained > 0:
        counts["upvotes"] += f", +{gained:,} since yesterday"
    return list(counts.values())
