"""Parses the text of a search. Pure; any text is a query.

`plain words` (all of them, in any order), `"an exact phrase"`, `-without`, and an arXiv id or address, whose paper
comes first. A hyphenated word is a phrase, and the last word may be the beginning of a longer one.
"""

import re
from dataclasses import dataclass

from digest.papers.paper import DOI_PAGE, NEW_STYLE, OLD_STYLE, arxiv_id, canonical_address, paper_id_of
from digest.papers.search.tokenizer import STOPS, fold, is_unspaced, words_of
from digest.papers.taxonomy import parse_category
from digest.text import ascii_forms, listed_words

LONGEST_QUERY = 400  # characters; the rest is ignored
MOST_TERMS = 24
_SHORTEST_BEGINNING = 3
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»「」『』", '"'))
_PART = re.compile(r'([-−]?)(?:"([^"]*)"?|([^\s"]+))')
_ARXIV = re.compile(rf"(?<!\d)(?:{NEW_STYLE}|(?<![a-z-]){OLD_STYLE})(?=v\d+|\.pdf|[/?#,;)]|\.?$)", re.IGNORECASE)
_OWN_ID = re.compile(r"[a-z0-9-]{1,20}:[^\s\"/]+")  # a paper that is not on arXiv


@dataclass(frozen=True, slots=True)
class Term:
    """Words that occur side by side."""

    words: tuple[str, ...]
    beginning: str = ""  # what the last word may also begin with


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed search."""

    wanted: tuple[Term, ...] = ()
    without: tuple[Term, ...] = ()
    paper_id: str = ""  # of the paper whose id or address was typed
    url: str = ""  # the address that was typed of a paper that is not on arXiv
    categories: tuple[str, ...] = ()  # such as cs.CL; a paper must be in one of them


def parse_query(text: str) -> Query:
    text = ascii_forms(text[:LONGEST_QUERY]).replace("\0", " ").translate(_QUOTES).strip()  # PostgreSQL takes no NUL
    wanted: list[Term] = []
    without: list[Term] = []
    paper_id = arxiv_id(text) or (text if _OWN_ID.fullmatch(text) else "")
    if paper_id:
        return Query(paper_id=paper_id)
    url, categories = "", []
    text = " ".join(listed_words(re.sub(r"\bdoi:\s+", "doi:", text, flags=re.IGNORECASE)))
    for minus, quoted, plain in _PART.findall(text):
        typed = quoted or plain
        if not minus and "." in plain and (category := parse_category(plain)):
            categories.append(category)
            continue
        if not minus and not paper_id:
            match = _ARXIV.search(typed)
            url = "" if match else canonical_address(typed)
            paper_id = paper_id_of(match.group() if match else url) or ""
            if match or url.startswith(DOI_PAGE) or (url and "//" in typed):
                continue
        if (term := _term(typed, exact=bool(quoted or minus))) is not None:
            (without if minus else wanted).append(term)
    return Query(_telling(wanted), tuple(dict.fromkeys(without))[:MOST_TERMS], paper_id, url, tuple(categories))


def _term(text: str, exact: bool) -> Term | None:
    parsed = list(words_of(text))
    if len(parsed) > 1 and parsed[-1].end == parsed[-2].end:
        parsed.pop()  # the last character of a script without spaces is already in the pair before it
    if not parsed:
        return None
    last = text[parsed[-1].start : parsed[-1].end]
    words = tuple(word.text for word in parsed)
    # A character of a script without spaces is indexed together with the one after it.
    may_go_on = is_unspaced(last) or (len(last) >= _SHORTEST_BEGINNING and not exact)
    return Term(words, fold(last) if may_go_on else "")


def tells(term: Term) -> bool:
    """False for a stop word."""
    return len(term.words) > 1 or term.words[0] not in STOPS


def _telling(terms: list[Term]) -> tuple[Term, ...]:
    """The terms without stop words, if others remain; only the last keeps its beginning."""
    telling = list(filter(tells, terms)) or terms
    ended = [term if is_unspaced(term.beginning) else Term(term.words) for term in telling[:-1]]
    return tuple(dict.fromkeys([*ended, *telling[-1:]]))[:MOST_TERMS]
