"""The texts and links on a paper's card. Foreign text passes digest/text.py."""

import re
from typing import Any, NamedTuple

from digest.issues.reasons import place_of
from digest.language import Language, Message, _, and_more, n_
from digest.papers.paper import Paper, RankedPaper
from digest.papers.score_terms import ScoreTerms
from digest.subscribers.paper_feedback import FeedbackKind
from digest.text import breakable, cut, short_title, unbroken, wire_cost

# Gmail clips encoded HTML beyond about 100 kB. These limits keep any 25 papers below that in every language: the
# excerpt is cut shorter if the rest of a card is long.
TITLE, EXCERPT, NAME, ORGANIZATION = 180, 240, 32, 44
_ROOM = 1_620  # bytes of encoded HTML for the words and links of a card, without the subscriber's own reason
_SHORTEST_EXCERPT = 60  # bytes
LONGEST_URL = 130  # on the wire
_PLAIN_URL = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?([/?#][!#-;=?-\[\]_a-z~]*)?")
_FEEDBACK_WORDS = (
    (FeedbackKind.MORE, _("More like this")),
    (FeedbackKind.LESS, _("Less like this")),
    (FeedbackKind.READ, _("Already read")),
)
_UNTITLED = _("Untitled")
IN_SUBJECT, IN_PREHEADER = 40, 38  # of a title


class Link(NamedTuple):
    words: str
    url: str


def card_values(
    ranked: RankedPaper, public_url: str, language: Language, kind: str = "daily", is_best: bool = True
) -> dict[str, Any]:
    """Values for templates/email/digest/card.*: the same for all subscribers of an issue of `kind` in `language`.

    `public_url` "": there are no pages to link to. `is_best`: its page explains its rank.
    """
    paper, say = ranked.paper, language.say
    own_page = public_url and public_url + paper.path
    is_explained = is_best and ranked.has_votes and not ranked.terms.is_pinned
    own_page_words = _("How it was ranked") if is_explained else _("More about it")
    title = cut(paper.title, TITLE) or say(_UNTITLED)
    names = and_more(", ".join(cut(name, NAME) for name in paper.authors[:3]), len(paper.authors) - 3)
    values = {
        "title": title,
        "url": safe_url(paper.url) or paper.arxiv_url or own_page,
        "byline": [say(words) for words in (names, cut(paper.organization_name, ORGANIZATION)) if words],
        "published": language.day_of(paper.published_at.date()) if paper.published_at else "",
        "counts": [say(count) for count in _counts(ranked.terms)],
        "links": [Link(say(words), url) for words, url in (*_worded_links(paper), (own_page_words, own_page)) if url],
        "say": [(kind, say(words)) for kind, words in _FEEDBACK_WORDS] if public_url else [],
        "place": say(place_of(ranked, kind)),
    }
    # A feedback link is about as long as the link to the paper's page.
    room = _ROOM - _taken(values) - _breaks(title) - len(_FEEDBACK_WORDS) * wire_cost(own_page)
    return values | {
        "excerpt": _excerpt(paper, room),
        "voted": bool(ranked.terms.upvotes),
        "paper_path": paper.path.removeprefix("/papers/"),  # follows the feedback address
    }


def _taken(value: Any) -> int:
    """Bytes of encoded HTML for all texts in `value`, with non-breaking spaces."""
    match value:
        case str():
            return wire_cost(unbroken(value))
        case dict():
            return sum(map(_taken, value.values()))
        case _:
            return sum(map(_taken, value))


def _excerpt(paper: Paper, room: int) -> str:
    if room < _SHORTEST_EXCERPT:
        return ""
    text = paper.gist
    words = cut(text, EXCERPT, room)
    more = wire_cost(words) + _breaks(words) - room
    return cut(text, EXCERPT, room - more) if more > 0 else words


def _breaks(text: str) -> int:
    """Bytes of encoded HTML that invisible breaks add to `text`."""
    return wire_cost(breakable(text)) - wire_cost(text)


def short_name(paper: Paper, longest: int, language: Language) -> str:
    """The paper's name in a subject or a preheader."""
    return short_title(paper.title, longest) or language.say(_UNTITLED)


def _worded_links(paper: Paper) -> list[tuple[Message, str]]:
    code_words = _("Code on GitHub") if paper.code_url.startswith("https://github.com/") else _("Code")
    worded = ((_("PDF on arXiv"), paper.pdf_url), (code_words, paper.code_url), (_("Project page"), paper.project_url))
    return [(words, url) for words, url in worded if safe_url(url)]


def safe_url(url: str) -> str:
    """`url` if it is a short https address that needs no encoding, else ""."""
    fits = wire_cost(url[: LONGEST_URL + 1]) <= LONGEST_URL
    return url if fits and _PLAIN_URL.fullmatch(url) else ""


def _counts(terms: ScoreTerms) -> list[Message]:
    """`142 votes, +12 since yesterday`, `3 comments`, `350 stars`, without zeros."""
    votes = n_("%(num)s vote", "%(num)s votes", num=int(terms.upvotes))
    gained = int(terms.gained or 0)
    if gained > 0:
        votes = _("%(votes)s, +%(gained)s since yesterday", votes=votes, gained=gained)
    comments = n_("%(num)s comment", "%(num)s comments", num=int(terms.comments))
    stars = n_("%(num)s GitHub star", "%(num)s GitHub stars", num=int(terms.stars))
    counted = ((terms.upvotes, votes), (terms.comments, comments), (terms.stars, stars))
    return [words for count, words in counted if int(count)]
