"""Cleans, shortens, wraps and parses foreign text."""

import re
import textwrap
import unicodedata
from bisect import bisect_right
from collections import Counter
from datetime import UTC, date, datetime
from email.utils import parseaddr, parsedate_to_datetime
from itertools import accumulate

_LANGUAGES = {"LATIN": "en", "CJK": "zh", "HANGUL": "ko", "ARABIC": "ar", "HEBREW": "he", "GREEK": "el", "THAI": "th"}
# In a text of these, with dashes, quotes and the ellipsis of cut(), all letters are Latin.
_LATIN = re.compile("[\x00-\x7f\u00c0-\u024f\u2010-\u2027]*")
_WEIGHTS = {"CJK": 3, "HANGUL": 3}  # a character of these is about as much text as three letters

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_TO_SPACE = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
# Direction overrides, lone surrogates, and noncharacters, which mark our placeholders.
_TO_NOTHING = (*_BIDI, 0x200B, 0xFEFF, 0xFFFE, 0xFFFF, *range(0xFDD0, 0xFDF0), *range(0xD800, 0xE000))
_CLEAN: dict[int, str] = dict.fromkeys(_TO_NOTHING, "") | dict.fromkeys(_TO_SPACE, " ")

# Full-width ASCII and the ideographic space, as East Asian keyboards write them, and the small forms of some signs.
_TO_ASCII = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {0x3000: " ", 0xFE6B: "@", 0xFE52: "."}
_SEPARATOR = re.compile("[,;\r\n\u2028\u2029、､،؛﹐﹑﹔︐︑︔，；፣]")

_LONGEST_DOMAIN = 253  # RFC 1035 §2.3.4, without the dots around it
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?!(?:.*\.)?\d+$){_LABEL}(?:\.{_LABEL})*")  # the last label of an IP address has no letter

_LONGEST_LINE = 75  # columns, so that quoted-printable does not wrap a line again
# Scripts without spaces may break after each wide character, except before closing and after opening punctuation.
_WIDE = "\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f"
_WIDE += "\uff01-\uff60\uffe0-\uffe6\U0001f000-\U0001faff\U00020000-\U0003fffd"
_OPENING, _CLOSING = r"“‘（《〈「『【(\[", r"”’）》〉」』】)\],.;:!?，。、；：！？…"
_UNPARTED = re.compile(rf" +|[{_OPENING}]*(?:[{_WIDE}]|[^ {_WIDE}{_OPENING}]+)?[{_CLOSING}]*")

_SENTENCE_END = re.compile(r"(?<!e\.g)(?<!i\.e)(?<! al)(?<! vs)[.!?…][\"”’)]?(?=\s)|[。！？]")
_TOO_WIDE = re.compile(r"[!-~\u00c0-\u04ff]{24,}")  # more letters than fit in a title line on a narrow phone
_PIECE = re.compile(r".{0,13}[/-]|.{1,14}")  # of the widest letters; it ends after a slash or hyphen if possible
_COSTS = {b"&": 5, b"<": 4, b">": 4, b"=": 3}
_WIRE_BYTES = 1.3  # average cost of a character in quoted-printable UTF-8 above which the text is cut shorter


def one_line(text: str) -> str:
    """`text` without control characters, line breaks, direction overrides and lone surrogates; single spaces."""
    if text.isprintable() and "  " not in text and text == text.strip(" "):
        return text  # nearly always: none of _CLEAN is printable, nor is any white space but the blank
    return " ".join(text.translate(_CLEAN).split())


def ascii_forms(text: str) -> str:
    """`text` with ASCII characters for their full-width forms."""
    return text.translate(_TO_ASCII)


def language_of(text: str) -> str:
    """The language that most letters of a title or an abstract are of, as far as their script tells; else "".

    Latin letters count as English, in which nearly all papers are written.
    """
    if text.isascii() or _LATIN.fullmatch(text):
        return "en" if any(map(str.isalpha, text)) else ""
    scripts: Counter[str] = Counter()
    for letter, count in Counter(filter(str.isalpha, text)).items():
        scripts[unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]] += count
    if scripts["HIRAGANA"] + scripts["KATAKANA"]:
        return "ja"  # also for Chinese characters among them
    script = max(scripts, key=lambda name: scripts[name] * _WEIGHTS.get(name, 1), default="")
    return _LANGUAGES.get(script, "")


def listed(text: str) -> list[str]:
    """The items that someone separated by commas, semicolons or line breaks, in any script."""
    parts = (" ".join(part.split()) for part in _SEPARATOR.split(ascii_forms(text)))
    return [part for part in parts if part]


def listed_words(text: str) -> list[str]:
    """As listed(), and separated by blanks as well; full-width letters stay as they are."""
    return _SEPARATOR.sub(" ", text).split()


def cut(text: str, limit: int, room: float | None = None) -> str:
    """one_line(text), cut at a sentence or word to at most `limit` characters, with an ellipsis.

    Gmail clips long messages, so scripts whose characters take many bytes are cut earlier: to about `room` bytes of
    encoded HTML.
    """
    line, room = one_line(text), limit * _WIRE_BYTES if room is None else room
    if len(line) <= limit and wire_cost(line) <= room:
        return line
    head = line[: _fitting(line, limit - 2, room - 2 * _WIRE_BYTES)]
    ends = [match.end() for match in _SENTENCE_END.finditer(head)]
    if ends and ends[-1] > len(head) // 2:
        return f"{head[: ends[-1]]} …"
    space = head.rfind(" ")
    return (head[:space] if space > len(head) // 2 else head).rstrip(" ,;:–—-") + "…"


def domain_of(mailbox: str) -> str:
    """The domain of an address or of `Name <address>`, in its original case."""
    address = parseaddr(mailbox)[1] if any(mark in mailbox for mark in " <(") else mailbox
    return address.rpartition("@")[2]


def parse_domain(text: str) -> str | None:
    """The domain in `text` in lower case, also one without a dot; None for anything else."""
    domain = ascii_forms(text).replace("。", ".").lower()
    return domain if len(domain) <= _LONGEST_DOMAIN and _DOMAIN.fullmatch(domain) else None


_USABLE_YEARS = range(1970, 2200)  # others are mistakes, and break arithmetic


def minute_of(instant: datetime) -> str:
    """For people: to the minute, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def parse_date(text: str) -> date | None:
    """The date of a text like 2026-11-23; None for anything else, and outside of the usable years."""
    text = ascii_forms(text)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    is_plain = day.isoformat() == text  # fromisoformat also takes 20261123 and 2026-W48-1
    return day if is_plain and day.year in _USABLE_YEARS else None


def parse_instant(text: str) -> datetime | None:
    """A foreign date (ISO 8601 or RFC 5322) in the zone in which it is written, UTC without one; None if unusable."""
    text = text.strip()
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            instant = read(text)
        except (ValueError, OverflowError, IndexError, TypeError):
            continue
        if instant.year in _USABLE_YEARS:
            return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return None


def short_title(title: str, limit: int) -> str:
    """A title for a subject line: the part before its colon, or its first words, without pictographs."""
    line = "".join(c for c in one_line(title) if unicodedata.category(c) not in ("So", "Co", "Cn"))
    line = " ".join(re.sub(r"([!?])[!?]+", r"\1", line).split())
    name = line.partition(": ")[0]
    return cut(name if 3 <= len(name) <= limit else line, limit)


def wrapped(text: str) -> str:
    """`text` in lines of at most 75 columns; a wide character, such as a Chinese one, takes two."""
    if columns(text) == len(text):
        return textwrap.fill(text, _LONGEST_LINE, break_on_hyphens=False)
    lines, line = [], ""
    for part in _UNPARTED.findall(text.replace("\n", " ")):
        if columns(line + part) > _LONGEST_LINE:
            lines.append(line.rstrip())
            line = part.lstrip()
            while columns(line) > _LONGEST_LINE:  # nothing to break at
                end = next(at for at in range(len(line), 0, -1) if columns(line[:at]) <= _LONGEST_LINE)
                lines.append(line[:end])
                line = line[end:]
        else:
            line += part
    return "\n".join(filter(None, [*lines, line]))


def columns(text: str) -> int:
    """The columns that `text` takes in a monospaced font (Unicode Standard Annex 11)."""
    return len(text) if text.isascii() else sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def breakable(text: str) -> str:
    """Add zero-width spaces to long words and addresses, so that they do not make the message wider than a phone.

    Gmail, Outlook and Yahoo do not support a style for this (caniemail.com).
    """
    return _TOO_WIDE.sub(lambda word: "\u200b".join(_PIECE.findall(word[0])), text)


def _fitting(line: str, limit: int, room: float) -> int:
    """The number of leading characters that fit in `limit` characters and `room` wire bytes."""
    head = line[:limit]
    if wire_cost(head) <= room:
        return len(head)
    return bisect_right(list(accumulate(map(wire_cost, head))), room)


def wire_cost(text: str) -> int:
    """The bytes of encoded HTML that `text` takes."""
    encoded = text.encode()
    longer = sum(encoded.count(c) * (cost - 1) for c, cost in _COSTS.items())
    beyond_ascii = 0 if len(encoded) == len(text) else len(encoded) - len(text.encode("ascii", "ignore"))
    return len(encoded) + longer + 2 * beyond_ascii
