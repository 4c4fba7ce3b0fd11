"""The texts and links on a paper's card. Foreign text passes digest/text.py."""

import re
from typing import Any, NamedTuple

from digest.issues.reasons import rank_of
from digest.language import Language, Message, _, and_more, n_
from digest.papers.paper import ModelSummary, Paper, RankedPaper
from digest.text import breakable, columns, cut, short_title, wire_cost

# Gmail clips encoded HTML beyond about 100 kB. These limits keep any 25 papers below that in every language: the
# excerpt is cut shorter if the rest of a card is long.
TITLE, EXCERPT, NAME, ORGANIZATION = 180, 240, 32, 44
AUTHORS = 3
_WIDE_EXCERPT, _WIDE_AUTHORS = 180, 2  # where our own words take three times as many bytes as in English
_ROOM = 1_200  # bytes of encoded HTML for the words and links of a card, without the subscriber's own reason
_SHORTEST_EXCERPT = 60  # bytes
LONGEST_URL = 130  # on the wire
_PLAIN_URL = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?([/?#][!#-;=?-\[\]_a-z~]*)?")
_UNTITLED = _("Untitled")
IN_SUBJECT, IN_PREHEADER, SENTENCE = 40, 38, 78  # characters


class Link(NamedTuple):
    words: str
    url: str
    after: str = ""  # what is known of it, not part of the link


def card_values(
    ranked: RankedPaper, public_url: str, feedback: str, language: Language, kind: str = "daily"
) -> dict[str, Any]:
    """Values for templates/email/digest/card.*: the same for all subscribers of an issue of `kind` in `language`.

    `public_url` "": there are no pages to link to. `feedback` is the address that the path of a paper follows.
    """
    paper, say = ranked.paper, language.say
    made = paper.model_summary_in(language.code)
    own_page = public_url and public_url + paper.path
    title = cut(paper.title, TITLE) or say(_UNTITLED)
    is_wide = columns(say(_UNTITLED)) > len(say(_UNTITLED))
    named = _WIDE_AUTHORS if is_wide else AUTHORS
    names = and_more(", ".join(cut(name, NAME) for name in paper.authors[:named]), len(paper.authors) - named)
    links = [Link(say(words), url, after) for words, url, after in _worded_links(ranked, language)]
    values = {
        "title": title,
        "url": paper.arxiv_url or safe_url(paper.url) or own_page,
        "byline": say(_byline(names, cut(paper.organization_name, ORGANIZATION))),
        "counts": [say(count) for count in _counts(ranked)],
        "links": links,
        "place": say(rank_of(ranked, kind)),
        "written_by": say(written_by(made)) if made else "",
    }
    # A feedback link is a little longer than the link to the paper's page.
    room = _ROOM - _taken(values) - _breaks(title) - 2 * wire_cost(own_page)
    excerpt = _excerpt(made.text if made else _gist(paper), _WIDE_EXCERPT if is_wide else EXCERPT, room)
    more_or_less = [Link(say(_("More or less like this")), feedback + paper.path)] if public_url else []
    return values | {"excerpt": excerpt, "links": links + more_or_less}


def written_by(summary: ModelSummary) -> Message:
    """Return who wrote a summary, which stands wherever people see it."""
    return _("Summary by %(model)s", model=summary.model)


def _byline(names: str, organization: str) -> str:
    # Translators: the authors of a paper and where they work.
    return _("%(names)s (%(lab)s)", names=names, lab=organization) if names and organization else names or organization


def _taken(value: Any) -> int:
    """Bytes of encoded HTML for all texts in `value`."""
    match value:
        case str():
            return wire_cost(value)
        case dict():
            return sum(map(_taken, value.values()))
        case _:
            return sum(map(_taken, value))


def _excerpt(text: str, longest: int, room: int) -> str:
    if room < _SHORTEST_EXCERPT:
        return ""
    words = cut(text, longest, room)
    more = wire_cost(words) + _breaks(words) - room
    return cut(text, longest, room - more) if more > 0 else words


def _gist(paper: Paper) -> str:
    """Without "https://", which would be a link in the text part alone, and which screen readers spell out."""
    return re.sub(r"https?://", "", paper.gist)


def _breaks(text: str) -> int:
    """Bytes of encoded HTML that invisible breaks add to `text`."""
    return wire_cost(breakable(text)) - wire_cost(text)


def short_name(paper: Paper, longest: int, language: Language) -> str:
    """The paper's name in a subject or a preheader."""
    return short_title(paper.title, longest) or language.say(_UNTITLED)


def sentence(paper: Paper) -> str:
    """Return the sentence for the preheader of a message with this paper alone; "" if the paper has no text."""
    return cut(_gist(paper), SENTENCE, 3 * SENTENCE)


def _worded_links(ranked: RankedPaper, language: Language) -> list[tuple[Message | str, str, str]]:
    paper, stars, comments = ranked.paper, int(ranked.terms.stars), int(ranked.terms.comments)
    worded = (
        (_("arXiv PDF"), paper.pdf_url, ""),
        (_("Code"), paper.code_url, f" ★ {language.number(stars)}" if stars else ""),
        (_("Project page"), "" if paper.code_url else paper.project_url, ""),
        (_("Discussion"), paper.discussion_url(), f" ({language.number(comments)})" if comments else ""),
        ("Hacker News", paper.hackernews_url if ranked.terms.hackernews > 0 else "", ""),
    )
    return [(words, url, after) for words, url, after in worded if safe_url(url)]


def safe_url(url: str) -> str:
    """`url` if it is a short https address that needs no encoding, else ""."""
    fits = wire_cost(url[: LONGEST_URL + 1]) <= LONGEST_URL
    return url if fits and _PLAIN_URL.fullmatch(url) else ""


def _counts(ranked: RankedPaper) -> list[Message]:
    """`▲ 142 votes, +12 since yesterday`, without zeros; comments and stars where no link has them."""
    terms = ranked.terms
    votes = n_("▲ %(num)s vote", "▲ %(num)s votes", num=int(terms.upvotes))
    gained = int(terms.gained or 0)
    if gained > 0:
        votes = _("%(votes)s, +%(gained)s since yesterday", votes=votes, gained=gained)
    comments = n_("%(num)s comment", "%(num)s comments", num=int(terms.comments))
    stars = n_("%(num)s GitHub star", "%(num)s GitHub stars", num=int(terms.stars))
    counted = (
        (terms.upvotes, votes),
        (0 if ranked.paper.discussion_url() else terms.comments, comments),
        (0 if safe_url(ranked.paper.code_url) else terms.stars, stars),
    )
    return [words for count, words in counted if int(count)]
