"""The search page: a form that works without JavaScript, and what it finds."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from digest.database.engine import read_only
from digest.language import Language, Message, _, and_more
from digest.papers.paper import Paper, arxiv_page
from digest.papers.search import LONGEST_QUERY, Filters, Hit, Piece, Query, Term, excerpt, marked, parse_query, search
from digest.text import one_line
from digest.web.cards import authors, paper_card
from digest.web.paging import page_asked, pages_of
from digest.web.site import TheSite

PER_PAGE = 10
_EXCERPT = 200
_NAMES = 3
_PLACE = "\ufffc"  # of the names, in a text that is not yet cut into pieces

router = APIRouter()


@dataclass(frozen=True, slots=True)
class FoundCard:
    """A paper that was found, with what was looked for marked in it."""

    path: str
    title: list[Piece]
    excerpt: list[Piece]
    by: list[Piece]
    day: date | None
    votes: int


@dataclass(frozen=True, slots=True)
class SearchForm:
    """The fields of the form as they were filled in, and what is wrong with them."""

    words: str
    category: str
    since: str
    until: str
    errors: dict[str, Message]

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is looked for."""
        return not (self.words.strip() or self.category or self.since or self.until)

    def address(self, page: int) -> str:
        """The query string of another page of the same results."""
        fields = {"q": self.words, "category": self.category, "from": self.since, "to": self.until}
        return urlencode({name: value for name, value in fields.items() if value} | {"page": page})


@router.api_route("/search", methods=["GET", "HEAD"])
def search_page(site: TheSite, request: Request) -> Response:
    """Papers of the archive by words, authors or id; the empty form explains itself."""
    asked, filters = _asked(request)
    if asked.is_empty or asked.errors:
        return site.pages.show("search", 400 if asked.errors else 200, asked=asked, results=None)
    query = parse_query(asked.words)
    page = page_asked(request)
    with read_only(site.engine) as connection:
        results = search(connection, query, filters, PER_PAGE, (page - 1) * PER_PAGE)
    pages = pages_of(results.total, PER_PAGE, page)
    cards = [found_card(hit, query, site.pages.language) for hit in results.hits]
    named = arxiv_page(query.paper_id) if not results.total else ""
    return site.pages.show("search", asked=asked, results=results, cards=cards, page=page, pages=pages, arxiv=named)


def found_card(hit: Hit, query: Query, language: Language) -> FoundCard:
    """The card of a paper that was found."""
    terms, paper = [*query.wanted, *_apart(query.wanted)], hit.paper
    plain = paper_card(paper)
    text = one_line(paper.abstract or paper.summary)
    return FoundCard(
        path=plain.path,
        title=marked(language.say(plain.title), terms),
        excerpt=excerpt(text, terms, _EXCERPT),
        by=_by(paper, terms, language),
        day=plain.day,
        votes=hit.votes,
    )


def _apart(terms: tuple[Term, ...]) -> list[Term]:
    """The single words of phrases are marked as well, where the phrase is not found as such."""
    return [Term((word,)) for term in terms if term.beginning for word in term.words[:-1]]


def _by(paper: Paper, terms: list[Term], language: Language) -> list[Piece]:
    """The authors who were looked for, else the first ones, and how many more there are."""
    names = [one_line(name) for name in paper.authors]
    sought = [name for name in names if any(piece.is_match for piece in marked(name, terms))][:_NAMES]
    if not sought:
        return marked(one_line(paper.organization) or language.say(authors(paper, 2)), terms)
    # The words around the names are found nowhere, even if somebody looks for "more".
    before, _names, after = language.say(and_more(_PLACE, len(names) - len(sought))).partition(_PLACE)
    return [Piece(before, False), *marked(", ".join(sought), terms), Piece(after, False)]


def _asked(request: Request) -> tuple[SearchForm, Filters]:
    given = {name: request.query_params.get(name, "").strip() for name in ("q", "category", "from", "to")}
    errors: dict[str, Message] = {}
    since, until = _day(given["from"], "from", errors), _day(given["to"], "to", errors)
    if since and until and since > until:
        errors["to"] = _("The end date is before the start date.")
    category = given["category"][:40]
    asked = SearchForm(given["q"][:LONGEST_QUERY], category, given["from"][:20], given["to"][:20], errors)
    return asked, Filters(category, since, until)


def _day(text: str, name: str, errors: dict[str, Message]) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        errors[name] = _("Enter the date like 2026-11-23.")
        return None
