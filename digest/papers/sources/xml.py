"""Reads Atom and RSS: elements by local name, since namespaces differ between feeds while local names do not."""

import io
import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from digest.papers.sources.reading import instant_of, text_of


class BrokenXml(ValueError):
    """The document is not XML to its end."""


class _Chunks(io.BytesIO):
    """Large chunks, because expat rescans an unfinished token with every chunk."""

    def read(self, _size: int | None = None) -> bytes:
        return super().read(1_000_000)


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
    for text in candidates:
        written = written_date(text)
        instant = instant_of(text) or (instant_of(written.isoformat()) if written else None)
        if instant:
            return instant
    return None


def written_date(text: str) -> datetime | None:
    """A date in the time zone in which it is written."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text.strip())
    except (ValueError, IndexError):
        return None
