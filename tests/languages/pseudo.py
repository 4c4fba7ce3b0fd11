"""A language that puts every translated text in marks, so that text outside them was never translated."""

import re
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from digest.language import Languages
from digest.resources import resource

CODE = "eo"  # a language that the CLDR knows and that we have no catalogue of
_MARKED = re.compile(r"⟦[^⟦⟧]*⟧")
_BETWEEN = "\x1f"
_WORD = re.compile(r"[^\W\d_]{2,}")


def pseudo_languages(folder: Path) -> Languages:
    """English and the marked language, made of locale/digest.pot in `folder`."""
    with (resource("locale") / "digest.pot").open("rb") as file:
        template = read_po(file)
    catalog = Catalog(locale=CODE)
    for message in template:
        if not message.id:
            continue
        keys = message.id if isinstance(message.id, tuple) else (message.id,)
        said = tuple(f"⟦{key}⟧" for key in keys)
        catalog.add(message.id, said if len(said) > 1 else said[0], context=message.context)
    place = folder / CODE / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / "digest.po").open("wb") as file:
        write_po(file, catalog)
    return Languages(folder)


def unmarked(text: str) -> str:
    """`text` without the marked parts, which may be nested."""
    while (less := _MARKED.sub("", text)) != text:
        text = less
    return text


def words_outside(texts: list[str], but: tuple[str, ...] = ()) -> list[str]:
    """Of the texts those that hold words which are neither marked nor among `but`, the data of the test."""
    left = []
    for rest in unmarked(_BETWEEN.join(texts)).split(_BETWEEN):  # a mark may begin in one text and end in another
        for known in but:
            rest = rest.replace(known, "")
        if _WORD.search(rest):
            left.append(" ".join(rest.split()))
    return left


class Main(HTMLParser):
    """The texts within <main> of a page."""

    def __init__(self, page: str, within: str = "main") -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within = within
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = self._inside or tag == self._within

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != self._within

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.append(data)
