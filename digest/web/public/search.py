"""The search page: a form that works without JavaScript, and what it finds."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from anyio import Semaphore
from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from digest.database.engine import read_singly
from digest.language import Language, Message, _, and_more
from digest.papers.paper import Paper, arxiv_id, arxiv_page
from digest.papers.search import LONGEST_QUERY, Filters, Hit, Piece, Query, Term, excerpt, marked, parse_query, search
from digest.papers.store import paper as paper_with_id
from digest.text import one_line, parse_date
from digest.web.cards import PaperCard, authors, paper_card
from digest.web.site import PageNumber, PageRouter, TheSite, pages_of, same_for_all, turn_among

PER_PAGE = 10
_EXCERPT = 200
_AT_ONCE = 2  # searches of a process
_turns = Semaphore(_AT_ONCE)
_NAMES = 3
_NAMES_HERE = "\ufffc"  # of the names, in a text that is not yet cut into pieces

router = PageRouter()


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
        """True if every field is empty."""
        return not (self.words.strip() or self.category or self.since or self.until)

    def address(self, page: int) -> str:
        """The query string of another page of the same results."""
        fields = {"q": self.words, "category": self.category, "from": self.since, "to": self.until}
        return urlencode({name: value for name, value in fields.items() if value} | {"page": page})


async def _turn(request: Request) -> AsyncIterator[None]:
    """Waits for a turn. A search takes longer than other pages, and many at once would hold them up."""
    form, _filters = _read(request)
    if form.is_empty or form.errors:
        yield
        return
    busy = _("Too many people are searching right now. Please try again in a few seconds.")
    async with turn_among(_turns, busy):
        yield


@router.page("/search", dependencies=[Depends(_turn, scope="function")])
def search_page(site: TheSite, request: Request, page: PageNumber = 1) -> Response:
    """Papers of the archive by words, authors or id; the empty form explains itself."""
    form, filters = _read(request)
    if form.is_empty or form.errors:
        return site.pages.show("search", 400 if form.errors else 200, form=form, results=None)
    query = parse_query(form.words)
    named = arxiv_id(form.words)
    with read_singly(site.engine) as connection:
        if named and paper_with_id(connection, named):
            return RedirectResponse(site.pages.at(f"/papers/{named}"), 303)
        results = search(connection, query, filters, PER_PAGE, (page - 1) * PER_PAGE)
    pages = pages_of(results.total, PER_PAGE, page)
    cards = [found_card(hit, query, site.pages.language) for hit in results.hits]
    arxiv = arxiv_page(query.paper_id) if not results.total else ""
    answer = site.pages.show("search", form=form, results=results, cards=cards, page=page, pages=pages, arxiv=arxiv)
    return same_for_all(request, answer)


def found_card(hit: Hit, query: Query, language: Language) -> PaperCard:
    """The card of a paper that was found, with the matches marked."""
    terms, paper = [*query.wanted, *_apart(query.wanted)], hit.paper
    text = one_line(paper.abstract or paper.summary)
    card = paper_card(paper, votes=hit.votes, excerpt=_as_html(excerpt(text, terms, _EXCERPT)))
    return replace(
        card,
        title=_as_html(marked(language.say(card.title), terms)),
        by=_as_html(_by(paper, terms, language)),
        lab=_as_html(marked(card.lab, terms)),
    )


def _as_html(pieces: list[Piece]) -> Markup:
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece.text) if piece.is_match else piece.text for piece in pieces
    )


def _apart(terms: tuple[Term, ...]) -> list[Term]:
    """The single words of phrases, to be marked where the whole phrase does not occur."""
    return [Term((word,)) for term in terms if term.beginning for word in term.words[:-1]]


def _by(paper: Paper, terms: list[Term], language: Language) -> list[Piece]:
    """The authors who were looked for, else the first ones, and how many more there are."""
    names = [one_line(name) for name in paper.authors]
    sought = [name for name in names if any(piece.is_match for piece in marked(name, terms))][:_NAMES]
    if not sought:
        return marked(language.say(authors(paper, 2)), terms)
    # The words around the names are found nowhere, even if somebody looks for "more".
    before, _names, after = language.say(and_more(_NAMES_HERE, len(names) - len(sought))).partition(_NAMES_HERE)
    return [Piece(before, False), *marked(", ".join(sought), terms), Piece(after, False)]


def _read(request: Request) -> tuple[SearchForm, Filters]:
    typed = {name: request.query_params.get(name, "").strip() for name in ("q", "category", "from", "to")}
    since, until = parse_date(typed["from"]), parse_date(typed["to"])
    wrong = _("Enter the date like 2026-11-23.")
    errors = {name: wrong for name, day in (("from", since), ("to", until)) if typed[name] and day is None}
    if since and until and since > until:
        errors["to"] = _("The end date is before the start date.")
    if typed["q"] and parse_query(typed["q"]) == Query():
        errors["q"] = _("There’s no word in this search. Enter a word, an author or an arXiv ID.")
    category = typed["category"][:40]
    return (
        SearchForm(typed["q"][:LONGEST_QUERY], category, typed["from"][:20], typed["to"][:20], errors),
        Filters(category, since, until),
    )
