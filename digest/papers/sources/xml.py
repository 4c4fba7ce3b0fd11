"""Reads Atom and RSS: elements by local name, since namespaces differ between feeds while local names do not."""

import html
import io
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from digest.papers.sources.reading import instant_of, text_of

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # XML 1.0 §2.2
_DECLARATION = re.compile(r"<\?xml\s[^<>]*\?>")
# An ampersand that begins none of XML's own entities, outside of CDATA.
_AMPERSAND = re.compile(r"<!\[CDATA\[.*?(?:\]\]>|\Z)|&(?!(?:amp|lt|gt|quot|apos);)(?:#?\w{1,32};)?", re.DOTALL)


class BrokenXml(ValueError):
    """The document is not XML to its end."""


class _Chunks(io.BytesIO):
    """Large chunks, because expat rescans an unfinished token with every chunk."""

    def read(self, _size: int | None = None) -> bytes:
        return super().read(1_000_000)


def repaired(text: str) -> bytes:
    """XML in UTF-8, without what often breaks it: forbidden characters, HTML's entities and bare ampersands."""
    text = _FORBIDDEN.sub("", _DECLARATION.sub("", text, count=1))
    return _AMPERSAND.sub(_as_xml, text).encode(errors="replace")


def _as_xml(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("<") else html.escape(_FORBIDDEN.sub("", html.unescape(found[0])))


def elements(body: bytes) -> Iterator[tuple[bool, str, Element]]:
    """Every element twice, at its start (False) and at its end (True), with its local name. Raises BrokenXml."""
    try:
        for event, element in iterparse(_Chunks(body), events=("start", "end")):
            yield event == "end", local_name(element), element
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise BrokenXml(str(error).splitlines()[0][:100]) from None


def local_name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def children(element: Element, *names: str) -> list[Element]:
    """The children with these names, in the order of the names."""
    return [child for name in names for child in element if local_name(child) == name]


def texts(element: Element, *names: str) -> list[str]:
    """The texts of the children with these names, in the order of the names, without empty ones."""
    return list(filter(None, ("".join(child.itertext()).strip() for child in children(element, *names))))


def authors(entry: Element, separator: str) -> list[str]:
    """The names in `author` elements, and those in `creator` elements, split by the pattern `separator`."""
    names = []
    for child in entry:
        if local_name(child) == "author":
            names.append(next(iter(texts(child, "name")), (child.text or "").strip()))
        elif local_name(child) == "creator":
            names += re.split(separator, child.text or "")
    return list(filter(None, map(text_of, names)))


def categories(entry: Element, *names: str) -> list[str]:
    """The categories in the elements with these names, each once."""
    terms = (text_of(child.get("term") or child.text or "") for child in children(entry, *names))
    return list(dict.fromkeys(filter(None, terms)))


def first_instant(candidates: list[str]) -> datetime | None:
    """The first text that is a date, as Atom (ISO 8601) or RSS (RFC 5322) writes it."""
    return next(filter(None, map(instant_of, candidates)), None)
