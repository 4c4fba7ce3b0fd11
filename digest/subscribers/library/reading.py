"""Reads a library from a file or from pasted text: BibTeX, RIS, CSL-JSON, or numbers, addresses and titles. Pure."""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import rispy
from bibtexparser.entrypoint import parse_string
from bibtexparser.middlewares import RemoveEnclosingMiddleware, ResolveStringReferencesMiddleware
from bibtexparser.model import Entry, ImplicitComment

from digest.language import UserError, _
from digest.papers.sources.reading import decoded
from digest.subscribers.library.entry import LibraryEntry, entry_of, named_entries, pasted_entries

MAX_BYTES = 5_000_000  # at worst, five seconds of work
MAX_ENTRIES = 5_000

_BLOCK = re.compile(r"@\s*\w+\s*[{(]")
_REFERENCE = re.compile(r"^TY {1,2}-", re.MULTILINE)
_TAG = re.compile(r"[A-Z][A-Z0-9] {1,2}-")
_FOLDED_LINES = 100  # lines of one RIS field: the parser's time grows with the square of their number
_BIBTEX_NAMES = ("eprint", "url", "doi", "note", "journal", "howpublished", "archiveprefix", "annote", "number")
_RIS_NAMES = ("doi", "urls", "url", "notes", "journal_name", "secondary_title", "accession_number", "note", "publisher")
_CSL_NAMES = ("DOI", "URL", "number", "note", "container-title", "archive_location", "id")

# Its warnings quote people's files.
logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)


class UnreadableLibrary(UserError):
    """The file or text is not a library that can be read; nothing was stored."""


def read_library(content: bytes) -> list[LibraryEntry]:
    """Return the entries of a file or of pasted text, each once, in their order. Raises UnreadableLibrary."""
    if len(content) > MAX_BYTES:
        raise UnreadableLibrary(_("That’s more than %(most)s MB. Export a part of it.", most=MAX_BYTES // 1_000_000))
    text = _text_of(content)
    if not text.strip():
        raise UnreadableLibrary(_("There’s nothing in it. Choose a file, or paste something."))
    entries = {entry.name: entry for entry in islice(_entries(text), MAX_ENTRIES + 1)}
    if len(entries) > MAX_ENTRIES:
        raise _too_many()
    if not entries:
        raise UnreadableLibrary(
            _("We can’t find a reference in that. Upload BibTeX, RIS or CSL-JSON, or paste arXiv numbers.")
        )
    return list(entries.values())


def _text_of(content: bytes) -> str:
    text = decoded(content)
    # Without a byte order mark, UTF-16 looks like text with a NUL after each letter.
    if text.count("\0") > len(text) // 3:
        text = content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be", "replace")
    if "\0" in text:
        raise UnreadableLibrary(_("That isn’t a text file. Export your library as BibTeX, RIS or CSL-JSON."))
    return text


def _too_many() -> UnreadableLibrary:
    return UnreadableLibrary(_("That’s more than %(most)s references. Export a part of them.", most=MAX_ENTRIES))


def _entries(text: str) -> Iterator[LibraryEntry]:
    start = text.lstrip()[:1]
    if start in ("[", "{"):
        found = _csl(text)
    elif _REFERENCE.search(text):
        found = _ris(text)
    elif _BLOCK.search(text):
        found = _bibtex(text)
    else:
        return iter(pasted_entries(text))
    return filter(None, found)


def _bibtex(text: str) -> Iterator[LibraryEntry | None]:
    if sum(1 for _block in islice(_BLOCK.finditer(text), 2 * MAX_ENTRIES + 1)) > 2 * MAX_ENTRIES:
        raise _too_many()
    # References to @string are replaced once and never within each other, so that a file cannot grow.
    steps = [ResolveStringReferencesMiddleware(True), RemoveEnclosingMiddleware()]
    library = parse_string(text, parse_stack=steps)
    # Also an entry whose key another one has, or which has a field twice.
    blocks = [*library.entries, *(failed.ignore_error_block for failed in library.failed_blocks)]
    known = [block for block in blocks if isinstance(block, Entry)]
    for entry in known:
        # The steps leave out what failed.
        fields = {field.key.lower(): str(field.value).strip('{}" ') for field in entry.fields}
        yield entry_of(fields.get("title", ""), _values(fields, _BIBTEX_NAMES), fields.get("abstract", ""))
    for between in library.comments:
        if isinstance(between, ImplicitComment):  # such as numbers that were pasted together with entries
            yield from named_entries(between.comment)


def _ris(text: str) -> Iterator[LibraryEntry | None]:
    if sum(1 for _start in islice(_REFERENCE.finditer(text), MAX_ENTRIES + 1)) > MAX_ENTRIES:
        raise _too_many()
    for fields in rispy.loads("\n".join(_unfolded(text.splitlines())), skip_unknown_tags=True):
        title = fields.get("title") or fields.get("primary_title") or fields.get("translated_title") or ""
        abstract = fields.get("abstract") or fields.get("notes_abstract") or ""
        yield entry_of(str(title), _values(fields, _RIS_NAMES), str(abstract))


def _unfolded(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without the last ones of a field that has far too many."""
    further = 0
    for line in lines:
        further = 0 if _TAG.match(line) else further + 1
        if further <= _FOLDED_LINES:
            yield line


def _csl(text: str) -> Iterator[LibraryEntry | None]:
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableLibrary(_("This JSON can’t be read. Export your library again, as CSL-JSON.")) from None
    items = stored.get("items", [stored]) if isinstance(stored, dict) else stored
    if not isinstance(items, list):
        return
    if len(items) > MAX_ENTRIES:
        raise _too_many()
    for item in items:
        if isinstance(item, dict):
            fields = {name: str(value) for name, value in item.items() if isinstance(value, str | int)}
            yield entry_of(fields.get("title", ""), _values(fields, _CSL_NAMES), fields.get("abstract", ""))


def _values(fields: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return the texts of these fields."""
    texts: list[str] = []
    for name in names:
        value = fields.get(name, "")
        texts += [str(part) for part in value] if isinstance(value, list) else [str(value)]
    return texts
