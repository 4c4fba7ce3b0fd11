"""Papers → BibTeX and RIS, for reference managers. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import rispy
from bibtexparser.entrypoint import write_string
from bibtexparser.library import Library
from bibtexparser.middlewares import AddEnclosingMiddleware
from bibtexparser.middlewares.names import InvalidNameError, parse_single_name_into_parts
from bibtexparser.model import Entry, Field

from digest.papers.paper import DOI_PAGE, Paper, arxiv_id
from digest.text import one_line

MEDIA_TYPES = {"bib": "application/x-bibtex", "ris": "application/x-research-info-systems"}
# A brace that is escaped by a backslash still counts for BibTeX, so braces are spelled out.
_SPECIAL = str.maketrans(
    {sign: f"\\{sign}" for sign in "#$%&_"}
    | {"{": r"\textbraceleft{}", "}": r"\textbraceright{}", "\\": r"\textbackslash{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)
_NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9.:/-]")
_NEEDS_BRACES = re.compile(r"\band\b|,", re.IGNORECASE)


def doi_of(paper: Paper) -> str:
    """The DOI: arXiv's own for its papers, else the one in the address; "" for none."""
    if arxiv_id(paper.id):
        return f"10.48550/arXiv.{paper.id}"
    return paper.url.removeprefix(DOI_PAGE) if paper.url.startswith(DOI_PAGE) else ""


def published(paper: Paper) -> datetime | None:
    """When it was published, else when it was first listed."""
    return paper.published_at or paper.listed_at


def citations(papers: Iterable[Paper], kind: str) -> str:
    """The papers as a file of one of MEDIA_TYPES."""
    if kind == "ris":
        return str(rispy.dumps([_ris_entry(paper) for paper in papers]))
    library = Library([_bibtex_entry(paper) for paper in papers])
    braces = AddEnclosingMiddleware(reuse_previous_enclosing=False, enclose_integers=True, default_enclosing="{")
    return write_string(library, unparse_stack=[braces])


def _bibtex_entry(paper: Paper) -> Entry:
    at, arxiv = published(paper), arxiv_id(paper.id)
    fields = {
        "title": f"{{{_latex(paper.title)}}}",  # the inner braces keep its capitals
        "author": " and ".join(map(_bibtex_name, filter(None, map(one_line, paper.authors)))),
        "year": str(at.year) if at else "",
        "month": str(at.month) if at else "",
        "eprint": arxiv or "",
        "archiveprefix": "arXiv" if arxiv else "",
        "primaryclass": _latex(paper.categories[0]) if arxiv and paper.categories else "",
        "doi": _latex(doi_of(paper)),
        "url": _latex(_address(paper)),
    }
    return Entry("misc", _key(paper.id), [Field(name, value) for name, value in fields.items() if value])


def _ris_entry(paper: Paper) -> dict[str, Any]:
    at = published(paper)
    fields: dict[str, Any] = {
        "type_of_reference": "UNPB",
        "title": one_line(paper.title),
        "authors": [_family_first(name) for name in filter(None, map(one_line, paper.authors))],
        "year": str(at.year) if at else "",
        "date": f"{at:%Y/%m/%d}" if at else "",
        "abstract": one_line(paper.abstract or paper.summary),
        "doi": doi_of(paper),
        "urls": [_address(paper)] if _address(paper) else [],
    }
    return {name: value for name, value in fields.items() if value}


def _address(paper: Paper) -> str:
    address = one_line(paper.arxiv_url or paper.url)
    return address if address.startswith("https://") else ""


def _key(paper_id: str) -> str:
    """The same for ever, and another for each paper."""
    key = _NOT_IN_A_KEY.sub(lambda sign: f"_{ord(sign.group()):x}", paper_id)
    return f"arXiv:{key}" if arxiv_id(paper_id) else key


def _latex(text: str) -> str:
    return one_line(text).translate(_SPECIAL)


def _bibtex_name(name: str) -> str:
    return f"{{{_latex(name)}}}" if _NEEDS_BRACES.search(name) else _latex(name)


def _family_first(name: str) -> str:
    """`Lovelace, Ada`, with the family name where BibTeX would see it."""
    try:
        return parse_single_name_into_parts(name).merge_last_name_first
    except InvalidNameError:
        return name
