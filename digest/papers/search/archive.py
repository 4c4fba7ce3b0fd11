"""Searches the archive by words and by id."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    Subquery,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from digest.database.fixed import rows_of
from digest.database.tables import papers, votes
from digest.papers.paper import Paper, paper_from
from digest.papers.search.query import Query, Term, tells
from digest.papers.search.tables import INDEX, paper_words
from digest.papers.taxonomy import folded_category
from digest.text import listed_words

# The weight of a word in the title, among the authors, and in the abstract.
_TITLE, _AUTHORS, _ABSTRACT = 10.0, 4.0, 1.0
_TS_WEIGHTS = f"{{0, {_ABSTRACT / _TITLE}, {_AUTHORS / _TITLE}, 1}}"  # D, C, B, A
_TS_STEPS = 100  # ts_rank_cd of a good answer is about 0.1 to 0.3, bm25 about 10 to 30
_BY_LENGTH = 1  # a rank is divided by 1 + the logarithm of the paper's length
_LEAST = 0.0
_WINDOW = 500  # papers that votes and dates may sort; of more that are equally relevant, the newest come first
_FIRST = 1e6  # of the paper whose id was typed


@dataclass(frozen=True, slots=True)
class Filters:
    """Limits on the papers to search; dates are those of listing, else of publication, in UTC."""

    category: str = ""  # "cs.CL", or "cs" for all that begin with "cs.", in any case; several are alternatives
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    paper: Paper
    votes: int
    score: float


@dataclass(frozen=True, slots=True)
class Results:
    """One page of hits."""

    hits: tuple[Hit, ...]
    total: int
    any_word: bool = False  # no paper has all the words; these have some


def search(connection: Connection, query: Query, filters: Filters, limit: int, offset: int = 0) -> Results:
    """Best first: by relevance (bm25, ts_rank_cd), then votes, then date; all papers for an empty query.

    If no paper has all the words, those with any of them.
    """
    results = _page(connection, query, filters, "AND", range(offset, offset + limit))
    if results.total or sum(len(term.words) for term in query.wanted) < 2:
        return results
    loose = _page(connection, _single_words(query), filters, "OR", range(offset, offset + limit))
    return replace(loose, any_word=loose.total > 0)


def _page(connection: Connection, query: Query, filters: Filters, operator: str, shown: range) -> Results:
    dialect, limit = connection.dialect.name, len(shown)
    size = max(1, _WINDOW // limit) * limit  # no page is in two windows
    before, offset = divmod(shown.start, size)
    values: dict[str, Any] = {"before": before * size, "last": offset + limit - 1, "offset": offset}
    if query.wanted and query == Query(query.wanted) and filters == Filters():
        # Most searches: for them, the statement is made once.
        values["wanted"] = _expression(dialect, query.wanted, operator)
        statement, total = _for_words(dialect, any(map(tells, query.wanted)), limit)
        rows = rows_of(connection, statement, values)
    else:
        statement, total = _statements(_selected(dialect, _matching(connection, query, operator), filters), limit)
        rows = connection.execute(statement, values).all()
    if not rows:
        return Results((), connection.execute(total, values).scalar_one() if offset or before else 0)
    return Results(tuple(Hit(paper_from(row), row.most_upvotes, row.relevance) for row in rows), rows[0].total)


@cache
def _for_words(dialect: str, is_telling: bool, limit: int) -> tuple[Select[Any], Select[Any]]:
    matching = _containing(dialect, bindparam("wanted", type_=String), is_telling).subquery("matching")
    return _statements(_selected(dialect, matching, Filters()), limit)


def _statements(selected: Select[Any], limit: int) -> tuple[Select[Any], Select[Any]]:
    """One page of the selected papers, and their number."""
    hits = selected.cte("hits")
    size = max(1, _WINDOW // limit) * limit
    newest_first = select(hits).order_by(hits.c.relevance.desc(), hits.c.number.desc())
    window = newest_first.limit(size).offset(bindparam("before", type_=Integer)).cte("window_of_hits")
    # Votes and dates are looked up only for papers as relevant as the last of the page, and for more relevant ones.
    last = select(window.c.relevance).order_by(window.c.relevance.desc())
    last = last.limit(1).offset(bindparam("last", type_=Integer))
    total = select(func.count()).select_from(hits)
    upvotes = func.coalesce(
        select(func.max(votes.c.upvotes)).where(votes.c.paper_id == papers.c.id).scalar_subquery(), 0
    ).label("most_upvotes")
    page = (
        select(papers, upvotes, window.c.relevance, total.scalar_subquery().label("total"))
        .select_from(window.join(paper_words, paper_words.c.id == window.c.number).join(papers))
        .where(window.c.relevance >= func.coalesce(last.scalar_subquery(), _LEAST))
        .order_by(window.c.relevance.desc(), upvotes.desc(), _listed_at().desc(), papers.c.id)
        .limit(limit)
        .offset(bindparam("offset", type_=Integer))
    )
    return page, total


def _matching(connection: Connection, query: Query, operator: str) -> Subquery:
    """The papers that match, as (number in paper_words, relevance)."""
    dialect = connection.dialect.name
    number = paper_words.c.id.label("number")
    if query.wanted:
        matching = _containing_terms(dialect, query.wanted, operator)
    else:
        matching = select(number, literal(0.0).label("relevance"))
        matching = matching.where(~true()) if query.paper_id else matching
    matched = matching.selected_columns.number
    if query.without:
        excluded = _containing_terms(dialect, query.without, "OR").subquery()
        matching = matching.where(matched.not_in(select(excluded.c.number)))
    if query.categories:
        in_categories = select(paper_words.c.id).join(papers).where(_is_in(dialect, query.categories))
        matching = matching.where(matched.in_(in_categories))
    if not query.paper_id:
        return matching.subquery("matching")
    is_named = or_(papers.c.id == query.paper_id, papers.c.url.in_(_spellings(query.url)))
    by_id = select(number, literal(_FIRST).label("relevance")).join(papers).where(is_named)
    both = union_all(matching, by_id).subquery()
    best = func.max(both.c.relevance).label("relevance")
    return select(both.c.number, best).group_by(both.c.number).subquery("matching")


def _spellings(url: str) -> list[str]:
    """The addresses under which a list may have given the page `url`."""
    starts = ("https://", "https://www.", "http://", "http://www.") if url else ()
    return [start + url.removeprefix("https://") + slash for start in starts for slash in ("", "/")]


def _containing_terms(dialect: str, terms: tuple[Term, ...], operator: str) -> Select[Any]:
    return _containing(dialect, literal(_expression(dialect, terms, operator)), any(map(tells, terms)))


def _containing(dialect: str, expression: ColumnElement[str], is_telling: bool) -> Select[Any]:
    """The papers with these terms. Relevance is a whole number, so that votes decide between almost equal papers."""
    nothing = literal(0.0).label("relevance")  # it would be sought in nearly all papers, for words that say nothing
    if dialect == "postgresql":
        wanted = cast(expression, TSQUERY)
        rank = func.ts_rank_cd(literal_column(f"'{_TS_WEIGHTS}'::real[]"), paper_words.c.words, wanted, _BY_LENGTH)
        relevance = func.round(rank * _TS_STEPS).label("relevance")
        matching = select(paper_words.c.id.label("number"), relevance if is_telling else nothing)
        return matching.where(paper_words.c.words.op("@@")(wanted))
    index = table(INDEX, column("rowid"))
    bm25 = func.bm25(literal_column(INDEX), _TITLE, _AUTHORS, _ABSTRACT)  # the smaller the better
    relevance = func.round(-bm25).label("relevance")
    return (
        select(index.c.rowid.label("number"), relevance if is_telling else nothing)
        .select_from(index)
        .where(literal_column(INDEX).op("MATCH")(expression))
    )


def _expression(dialect: str, terms: tuple[Term, ...], operator: str) -> str:
    """The terms in the database's query language. Words are only letters and digits, so nothing needs escaping."""
    if dialect == "postgresql":
        return {"AND": " & ", "OR": " | "}[operator].join(map(_tsquery, terms))
    return f" {operator} ".join(map(_fts5, terms))


def _fts5(term: Term) -> str:
    exact = '"' + " ".join(term.words) + '"'
    if not term.beginning:
        return exact
    return f'({exact} OR "{" ".join([*term.words[:-1], term.beginning])}"*)'


def _tsquery(term: Term) -> str:
    *front, last = (f"'{word}'" for word in term.words)
    if term.beginning:
        last = f"({last} | '{term.beginning}':*)"
    return "(" + " <-> ".join([*front, last]) + ")"


def _single_words(query: Query) -> Query:
    """The query with every word as a term of its own."""
    words = [Term((word,)) for term in query.wanted for word in term.words[:-1]]
    words += [Term(term.words[-1:], term.beginning) for term in query.wanted]
    return replace(query, wanted=tuple(dict.fromkeys(words)))


def _selected(dialect: str, matching: Subquery, filters: Filters) -> Select[Any]:
    """Those of the matching papers that the filters let through, and that are not withdrawn."""
    withdrawn = select(paper_words.c.id).join(papers).where(papers.c.withdrawn_at.is_not(None))
    selected = select(matching).where(matching.c.number.not_in(withdrawn))
    conditions: list[ColumnElement[bool]] = []
    if filters.category:
        conditions.append(_is_in(dialect, listed_words(filters.category)))
    if filters.since:
        conditions.append(_listed_at() >= datetime.combine(filters.since, time.min, UTC))
    if filters.until:
        conditions.append(_listed_at() <= datetime.combine(filters.until, time.max, UTC))
    if not conditions:
        return selected
    words = paper_words.alias()
    return (
        selected.join(words, words.c.id == matching.c.number)
        .join(papers, papers.c.id == words.c.paper_id)
        .where(*conditions)
    )


def _is_in(dialect: str, categories: Sequence[str]) -> ColumnElement[bool]:
    each = func.jsonb_array_elements_text if dialect == "postgresql" else func.json_each
    category = func.lower(each(papers.c.categories).table_valued("value").c.value)
    wanted = [folded_category(name) for name in categories]
    below = (category.startswith(f"{name}.", autoescape=True) for name in wanted)
    return exists(select(1).where(or_(category.in_(wanted), *below)))


def _listed_at() -> ColumnElement[datetime]:
    return func.coalesce(papers.c.listed_at, papers.c.published_at, papers.c.first_seen_at)
