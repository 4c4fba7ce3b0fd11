"""Search over titles, authors and abstracts: the index, queries, excerpts, and papers that are similar."""

from digest.papers.search.archive import Filters, Hit, Results, search
from digest.papers.search.excerpt import Piece, excerpt, marked
from digest.papers.search.index import index_all, index_papers
from digest.papers.search.named import papers_named
from digest.papers.search.query import LONGEST_QUERY, Query, Term, parse_query
from digest.papers.search.similar import papers_like, store_similar_papers, stored_similar_papers
from digest.papers.search.tables import ADDITIONS, INDEX, paper_words

__all__ = [
    "ADDITIONS",
    "INDEX",
    "LONGEST_QUERY",
    "Filters",
    "Hit",
    "Piece",
    "Query",
    "Results",
    "Term",
    "excerpt",
    "index_all",
    "index_papers",
    "marked",
    "paper_words",
    "papers_like",
    "papers_named",
    "parse_query",
    "search",
    "store_similar_papers",
    "stored_similar_papers",
]
