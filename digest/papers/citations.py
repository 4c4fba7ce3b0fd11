"""Papers → BibTeX and RIS, for reference managers, Zotero's reading of them included. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

import rispy
from bibtexparser.entrypoint import write_string
from bibtexparser.library import Library
from bibtexparser.middlewares.names import InvalidNameError, parse_single_name_into_parts
from bibtexparser.model import Entry, Field

from digest.papers.paper import DOI_PAGE, Paper, arxiv_id
from digest.text import one_line

MEDIA_TYPES = {"bib": "application/x-bibtex", "ris": "application/x-research-info-systems"}
_SPECIAL = str.maketrans(
    {sign: f"\\{sign}" for sign in "#$%&_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)
# For text with a brace that has no partner, because BibTeX counts even escaped ones.
_BRACES_IN_WORDS = _SPECIAL | str.maketrans({"{": r"\textbraceleft{}", "}": r"\textbraceright{}"})
# LaTeX takes addresses as they are, except these; Zotero reads ~ as a space.
_IN_ADDRESS = str.maketrans({"{": "%7B", "}": "%7D", "\\": "%5C", "~": "%7E"})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9.:/-]")
_GROUP = re.compile(r"\b(and|Team|Collaboration|Consortium|Group|Labs?|Project|Research)\b")
_WITH_SUFFIX = re.compile(r"(.+ .+) (Jr\.?|Sr\.?|II|III|IV)")
_EAST_ASIAN = re.compile(r"([\u3040-\u9fff\uac00-\ud7af]+) ([\u3040-\u9fff\uac00-\ud7af]+)")  # family name first


class _Ris(rispy.RisWriter):  # type: ignore[misc]
    """Writes entries without the numbers before them, which are not in the standard."""

    def set_header(self, count: int) -> str:  # noqa: ARG002
        return ""


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
        return str(rispy.dumps([_ris_entry(paper) for paper in papers], implementation=_Ris))
    return write_string(Library([_bibtex_entry(paper) for paper in papers]), unparse_stack=[])


def name_parts(name: str) -> tuple[str, ...]:
    """Family name, given names and suffix, as far as there are any; the name of a group is in one piece."""
    if _GROUP.search(name) or name.count(",") > 1:
        return (name,)
    if "," in name:
        return tuple(part.strip() for part in name.split(","))
    if east_asian := _EAST_ASIAN.fullmatch(name):
        return east_asian.groups()
    with_suffix = _WITH_SUFFIX.fullmatch(name)
    try:
        parts = parse_single_name_into_parts(with_suffix[1] if with_suffix else name)
    except InvalidNameError:
        return (name,)
    given = " ".join(parts.first)
    family = " ".join([*parts.von, *parts.last])
    return tuple(filter(None, (family, given, with_suffix[2] if with_suffix else "")))


def author_tags(authors: Sequence[str]) -> list[str]:
    """The names for `citation_author`, family names first, so that "van" and "de la" stay with them.

    Zotero takes one such name with blanks before and after the comma for two people.
    """
    parts = [name_parts(name) for name in filter(None, map(one_line, authors))]
    names = [", ".join((family, " ".join(given))) if given else family for family, *given in parts]
    if len(names) == 1 and all(" " in part for part in names[0].split(", ")):
        return [one_line(name) for name in authors]
    return names


def _bibtex_entry(paper: Paper) -> Entry:
    at, arxiv = published(paper), arxiv_id(paper.id)
    fields = {
        "title": f"{{{_latex(paper.title)}}}",  # the inner braces keep its capitals
        "author": " and ".join(map(_bibtex_name, filter(None, map(one_line, paper.authors)))),
        "year": str(at.year) if at else "",
        "eprint": arxiv or "",
        "archiveprefix": "arXiv" if arxiv else "",
        "eprinttype": "arxiv" if arxiv else "",  # the same for BibLaTeX and Zotero
        "primaryclass": _latex(paper.categories[0]) if arxiv and paper.categories else "",
        "doi": one_line(doi_of(paper)).translate(_IN_ADDRESS),
        "url": _address(paper).translate(_IN_ADDRESS),
        "abstract": _latex(paper.abstract or paper.summary),
    }
    enclosed = {name: f"{{{value}}}" for name, value in fields.items() if value}
    month = {"month": _MONTHS[at.month - 1]} if at else {}  # a word that BibTeX and Zotero know, without braces
    return Entry("misc", _key(paper.id), [Field(name, value) for name, value in (enclosed | month).items()])


def _ris_entry(paper: Paper) -> dict[str, Any]:
    at = published(paper)
    fields: dict[str, Any] = {
        "type_of_reference": "UNPB",
        "title": one_line(paper.title),
        "authors": [", ".join(name_parts(name)) for name in filter(None, map(one_line, paper.authors))],
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
    text = one_line(text)
    depths = list(accumulate((sign == "{") - (sign == "}") for sign in text))
    return text.translate(_BRACES_IN_WORDS if depths and (min(depths) < 0 or depths[-1]) else _SPECIAL)


def _bibtex_name(name: str) -> str:
    """As BibTeX writes it: `van Beethoven, Ludwig`, `Daumé, III, Hal`, `{Kimi Team}`."""
    family, *given = map(_latex, name_parts(name))
    if given:
        return ", ".join((family, *reversed(given)))
    return f"{{{family}}}" if " " in family else family
