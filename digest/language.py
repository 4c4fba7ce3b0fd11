"""Texts, dates, numbers and lists in the language of the person who reads them. It only reads catalogues.

Texts in code and templates are English and are their own keys (GNU gettext). A translation is a file
`locale/<language>/LC_MESSAGES/digest.po`, read on first use. Formats of dates, numbers and lists come from the CLDR,
through Babel. docs/how-to/add-a-language.md explains how to add a language.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from babel import Locale

# Babel is imported where it is used: a process that only joins messages, and a command without texts, stay without it.

SOURCE = "en"  # the language of the texts in the code
_CLDR_NAMES = {SOURCE: "en_001"}  # international English: day before month, "A, B and C"
_TAG = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*[qQ]=([01](?:\.\d{1,3})?)\s*)?")
_MOST_TAGS = 20  # of an Accept-Language header; browsers send up to ten
_LONGEST_HEADER = 200  # characters of it
_THOUSANDTH = Decimal("0.001")
_UNSPACED_ENDS = ("。", "！", "？", "：", "；", "…")  # of sentences; the next one follows without a blank


class Message(str):
    """A text for people that is not yet translated: the string itself is the English, with its values filled in.

    Cutting or joining a Message gives a plain string, which stays English.
    """

    key: str
    many: str  # the key of the plural, "" without one
    values: Mapping[str, Any]

    def __new__(cls, key: str, many: str, values: Mapping[str, Any]) -> "Message":
        message = super().__new__(cls, _filled(key if values.get("num") == 1 or not many else many, values, _ENGLISH))
        message.key, message.many, message.values = key, many, values
        return message

    def __getnewargs__(self) -> tuple[str, str, Mapping[str, Any]]:  # type: ignore[override] # for copies
        return self.key, self.many, self.values


class UserError(ValueError):
    """An error of the person who uses the service; `words` tell them what is wrong."""

    def __init__(self, words: Message) -> None:
        super().__init__(words)
        self.words = words


def _(text: str, /, **values: Any) -> Message:
    """Mark `text` for translation. `%(name)s` is a value (a text, number, date or list), `%%` a percent sign."""
    return Message(text, "", values)


def n_(singular: str, plural: str, /, num: int, **values: Any) -> Message:
    """Mark a text that depends on `num`, its value `%(num)s`."""
    return Message(singular, plural, {"num": num, **values})


def needs_blank(sentence: str) -> bool:
    """Return whether a blank separates a sentence from the next; none does after a full stop of Chinese."""
    return not sentence.endswith(_UNSPACED_ENDS)


def joined_sentences(sentences: Iterable[str]) -> str:
    """Return the sentences of one paragraph, which are in one language."""
    return "".join(f"{each} " if needs_blank(each) else each for each in sentences).rstrip()


def and_more(names: str, more: int) -> str:
    """`names`, followed by the number of further names if there are any."""
    return n_("%(names)s and %(num)s more", "%(names)s and %(num)s more", num=more, names=names) if more > 0 else names


class Language:
    """One language. `code` is its BCP 47 tag, as in `lang="zh-CN"`; `translations` are those of its catalogue."""

    def __init__(self, code: str, translations: NullTranslations) -> None:
        self.code = code
        self.gettext = translations.gettext
        self.ngettext = translations.ngettext
        self.pgettext = translations.pgettext
        self.npgettext = translations.npgettext

    def say(self, text: str) -> str:
        """A Message in this language; any other text as it is."""
        if not isinstance(text, Message):
            return text
        if not text.many:
            return _filled(self.gettext(text.key), text.values, self)
        return _filled(self.ngettext(text.key, text.many, text.values["num"]), text.values, self)

    @cached_property
    def name(self) -> str:
        """The language's own name."""
        # Translators: the name of your language, in your language.
        return self.pgettext("name of this language", "English")

    @cached_property
    def direction(self) -> str:
        """`ltr` or `rtl`, as HTML's `dir`."""
        return _locale_of(self.code).text_direction

    def long_date(self, day: date) -> str:
        """`Monday, 23 November 2026`."""
        # Translators: EEEE = weekday, d = day, M or MMMM = month, y = year (CLDR date patterns).
        return self._date(day, self.pgettext("date pattern", "EEEE, d MMMM y"))

    def day_of(self, day: date) -> str:
        """`23 November 2026`."""
        return self._date(day, self.pgettext("date pattern", "d MMMM y"))

    def short_date(self, day: date) -> str:
        """`23 Nov`."""
        return self._date(day, self.pgettext("date pattern", "d MMM"))

    def month(self, day: date) -> str:
        """`November 2026`."""
        return self._date(day, self.pgettext("date pattern", "MMMM y"))

    def short_month(self, day: date) -> str:
        """`Nov`, where the year is known."""
        return self._date(day, "LLL")

    def weekday(self, day: date) -> str:
        """`Monday`."""
        return self._date(day, "EEEE")

    def number(self, value: float) -> str:
        """`12,345`."""
        return _number(_thousandths(value) if isinstance(value, float) else value, self.code)

    def join(self, parts: list[str]) -> str:
        """`A, B and C`."""
        from babel.lists import format_list

        return format_list(parts, locale=_locale_of(self.code))

    def _date(self, day: date, pattern: str) -> str:
        return _date(day, pattern, self.code)


# A page holds the same few numbers and dates as others, and formatting each takes babel long; as does hashing a Locale.


@cache
def _locale_of(code: str) -> "Locale":
    from babel import Locale

    return Locale.parse(_CLDR_NAMES.get(code, code.replace("-", "_")))


@lru_cache(maxsize=10_000)
def _number(value: float | str, code: str) -> str:
    from babel.numbers import format_decimal

    return format_decimal(value, locale=_locale_of(code))


def _thousandths(value: float) -> float | str:
    """As much of it as babel shows, and rounded as there, half to even; many numbers are the same then."""
    return value if value.is_integer() or abs(value) > 1e15 else str(Decimal(repr(value)).quantize(_THOUSANDTH))


@lru_cache(maxsize=5_000)
def _date(day: date, pattern: str, code: str) -> str:
    from babel.dates import format_date

    return format_date(day, pattern, locale=_locale_of(code))


_ENGLISH = Language(SOURCE, NullTranslations())


class Languages:
    """English, and the languages with a catalogue below `folder`. A catalogue is read on first use."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        names = sorted(path.parts[-3] for path in folder.glob("*/LC_MESSAGES/digest.po")) if folder else []
        self.codes = (SOURCE, *(name.replace("_", "-") for name in names))
        self._read = lru_cache(maxsize=None)(self._read_catalogue)
        self._negotiated = lru_cache(maxsize=1_000)(self._negotiate)

    def get(self, code: str) -> Language:
        """The language with this tag; English for one that is not (any more) there, since a message must be made."""
        return self._read(code) if code in self.codes else _ENGLISH

    def negotiate(self, header: str, default: str) -> str:
        """The tag that fits an Accept-Language header best; `default` when none does.

        If only the primary language matches, as `zh-TW` and `zh-CN`, it counts: it is nearer than English.
        """
        return self._negotiated(header[:_LONGEST_HEADER], default)

    def _negotiate(self, header: str, default: str) -> str:
        from babel import negotiate_locale

        codes = {code.partition("-")[0].lower(): code for code in reversed(self.codes)}
        codes |= {code.lower(): code for code in self.codes}
        tag = negotiate_locale(takewhile(lambda tag: tag != "*", _accepted(header)), codes, sep="-")
        return codes[tag.lower()] if tag else default

    def _read_catalogue(self, code: str) -> Language:
        if self._folder is None or code == SOURCE:
            return _ENGLISH
        return Language(code, _translations(self._folder / code.replace("-", "_") / "LC_MESSAGES" / "digest.po"))


@cache
def _translations(path: Path) -> GNUTranslations:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file))
    compiled.seek(0)
    return GNUTranslations(compiled)


def _accepted(header: str) -> list[str]:
    """The tags of an Accept-Language header, the most wanted first (RFC 9110 §12.5.4)."""
    matches = [_TAG.fullmatch(part) for part in header.split(",", _MOST_TAGS)[:_MOST_TAGS]]
    weighed = [(float(match[2] or 1), match[1]) for match in matches if match]
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]


def _filled(text: str, values: Mapping[str, Any], language: Language) -> str:
    return text % {name: value_in_words(value, language) for name, value in values.items()}


def value_in_words(value: Any, language: Language) -> str:
    """A value of a text, as a language writes it."""
    match value:
        case str():
            return language.say(value)
        case date():
            return language.day_of(value)
        case int() | float():
            return language.number(value)
        case _:
            return language.join([value_in_words(part, language) for part in value])
