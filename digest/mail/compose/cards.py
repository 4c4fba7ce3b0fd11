"""A paper → the words and links that its card shows. Pure; what others wrote passes text.py."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from digest.issues.reasons import place_of
from digest.language import Language, Message, _, n_
from digest.papers.paper import Paper, RankedPaper, arxiv_id
from digest.papers.score_terms import ScoreTerms
from digest.subscribers.paper_feedback import FeedbackKind
from digest.text import breakable, cut, one_line, short_title, unbroken, wire_cost

# Encoded HTML beyond about 100 kB is clipped by Gmail; with these limits 25 papers stay below it whatever they hold, in
# any language: the excerpt is cut shorter where the rest of a card takes much.
TITLE, EXCERPT, NAME, ORGANIZATION = 180, 240, 32, 44
_ROOM = 1_620  # bytes of encoded HTML for the words and links of a card, but for the reader's own reason
_SHORTEST_EXCERPT = 60  # bytes
LONGEST_URL = 130  # on the wire
_PLAIN_URL = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?([/?#][!#-;=?-\[\]_a-z~]*)?")
_SAY = (
    (FeedbackKind.MORE, _("More like this")),
    (FeedbackKind.LESS, _("Less like this")),
    (FeedbackKind.READ, _("Already read")),
)
_UNTITLED = _("Untitled")
IN_SUBJECT, IN_PREHEADER = 40, 38  # of a title


@dataclass(frozen=True, slots=True)
class Link:
    """Words that say where it leads, and the address."""

    words: str
    url: str


def card_values(ranked: RankedPaper, public_url: str, language: Language, kind: str = "daily") -> dict[str, Any]:
    """What templates/email/digest/card.* are rendered with, in words of `language`: the same for all its readers of an
    issue of `kind`.
    """
    paper, say = ranked.paper, language.say
    own_page = f"{public_url}/papers/{quote(paper.id, safe='/:')}"
    title = cut(paper.title, TITLE) or say(_UNTITLED)
    values = {
        "title": title,
        "url": _canonical(paper) or own_page,
        "byline": [say(part) for part in _byline(paper)],
        "published": language.day_of(paper.published_at.date()) if paper.published_at else "",
        "counts": [say(count) for count in _counts(ranked.terms)],
        "links": [Link(say(words), url) for words, url in (*_links(paper), (_("How it was ranked"), own_page))],
        "say": [(said, say(words)) for said, words in _SAY],
        "place": say(place_of(ranked, kind)),
    }
    # Links of opinions are about as long as the one to the paper's page.
    room = _ROOM - _taken(values) - _breaks(title) - len(_SAY) * wire_cost(own_page)
    return values | {
        "excerpt": _excerpt(paper, room),
        "voted": bool(ranked.terms.upvotes),
        "paper_path": quote(paper.id, safe="/:"),  # behind the reader's own feedback address
    }


def _taken(value: Any) -> int:
    """The bytes of encoded HTML that all texts in `value` take, with spaces that do not break."""
    match value:
        case str():
            return wire_cost(unbroken(value))
        case Link():
            return _taken(value.words) + _taken(value.url)
        case dict():
            return sum(map(_taken, value.values()))
        case _:
            return sum(map(_taken, value))


def _excerpt(paper: Paper, room: int) -> str:
    if room < _SHORTEST_EXCERPT:
        return ""
    text = one_line(paper.summary) or paper.abstract
    words = cut(text, EXCERPT, room)
    more = wire_cost(words) + _breaks(words) - room
    return cut(text, EXCERPT, room - more) if more > 0 else words


def _breaks(text: str) -> int:
    """The bytes of encoded HTML that places to break add to `text`."""
    return wire_cost(breakable(text)) - wire_cost(text)


def in_subject(paper: Paper, language: Language) -> str:
    """The paper's name where it is the first of a mail."""
    return short_title(paper.title, IN_SUBJECT) or language.say(_UNTITLED)


def in_preheader(paper: Paper, language: Language) -> str:
    """The paper's name where it is one of the next."""
    return short_title(paper.title, IN_PREHEADER) or language.say(_UNTITLED)


def _canonical(paper: Paper) -> str:
    arxiv = arxiv_id(paper.id)
    return safe_url(paper.url) or (f"https://arxiv.org/abs/{arxiv}" if arxiv else "")


def _links(paper: Paper) -> list[tuple[Message, str]]:
    arxiv = arxiv_id(paper.id)
    links = [(_("PDF on arXiv"), f"https://arxiv.org/pdf/{arxiv}")] if arxiv else []
    if code := safe_url(paper.code_url):
        links.append((_("Code on GitHub") if code.startswith("https://github.com/") else _("Code"), code))
    if project := safe_url(paper.project_url):
        links.append((_("Project page"), project))
    return links


def safe_url(url: str) -> str:
    """`url` if it is a plain https address that stands in a mail as it is, and not too long, else ""."""
    fits = wire_cost(url[: LONGEST_URL + 1]) <= LONGEST_URL
    return url if fits and _PLAIN_URL.fullmatch(url) else ""


def _byline(paper: Paper) -> list[str]:
    """`First, Second, Third and 4 more`, and the organisation; what is known of the two."""
    names = and_more(", ".join(cut(name, NAME) for name in paper.authors[:3]), len(paper.authors) - 3)
    return [part for part in (names, cut(paper.organization, ORGANIZATION)) if part]


def and_more(names: str, more: int) -> str:
    """`names`, and how many more there are, if there are any: a Message then."""
    return n_("%(names)s and %(num)s more", "%(names)s and %(num)s more", num=more, names=names) if more > 0 else names


def _counts(terms: ScoreTerms) -> list[Message]:
    """`142 votes, +12 since yesterday`, `3 comments`, `350 stars`, of what is known and not nought."""
    votes, gained, comments, stars = map(int, (terms.upvotes, terms.gained or 0, terms.comments, terms.stars))
    counts = []
    if votes:
        said = n_("%(num)s vote", "%(num)s votes", num=votes)
        counts.append(_("%(votes)s, +%(gained)s since yesterday", votes=said, gained=gained) if gained > 0 else said)
    if comments:
        counts.append(n_("%(num)s comment", "%(num)s comments", num=comments))
    if stars:
        counts.append(n_("%(num)s GitHub star", "%(num)s GitHub stars", num=stars))
    return counts
