"""Rules of the bytes: every SMTP server passes such a message on unchanged (RFC 5321, 5322, 2045, 2047)."""

import re
from collections.abc import Iterator

from digest.lint.message import ALL, ParsedMessage, Rule, Scope

_LONGEST_LINE = 998  # RFC 5322 §2.1.1
_ENCODED_LINE = 76  # RFC 2045 §6.7 and §6.8
_ENCODED_WORD = 75  # RFC 2047 §2
# RFC 5322 §3.6, 2369 §3.1, 2919 §3, 2045 §4
_ONCE = re.compile(
    "from|sender|reply-to|to|cc|bcc|message-id|in-reply-to|references|subject|date|"
    "list-id|list-unsubscribe(-post)?|mime-version|content-type"
)


def _line_endings(message: ParsedMessage) -> Iterator[str]:
    if bare := re.search(rb"(?<!\r)\n|\r(?!\n)", message.raw):
        yield f"line {message.raw[: bare.start()].count(bytes([10])) + 1} does not end in CR LF"


def _header_ascii(message: ParsedMessage) -> Iterator[str]:
    wrong = [line for line in message.head_lines if not line.isascii() or b"\0" in line]
    yield from (f"the header has bytes that are not ASCII: {_readable(line)}" for line in wrong)


def _header_lines(message: ParsedMessage) -> Iterator[str]:
    for number, line in enumerate(message.head_lines):
        if len(line) > _LONGEST_LINE:
            yield f"a header line of {len(line)} characters: {_readable(line)}"
        is_folded = number > 0 and line[:1] in (b" ", b"\t") and line.strip()
        if not is_folded and not re.match(rb"[!-9;-~]+:", line):
            yield f"a header line that is neither a field nor a folded line: {_readable(line)}"


def _header_once(message: ParsedMessage) -> Iterator[str]:
    names = [name.lower() for name in message.field_names]
    repeated = sorted({name for name in names if names.count(name) > 1 and _ONCE.fullmatch(name)})
    yield from (f"{name} appears {names.count(name)} times" for name in repeated)


def _encoded_words(message: ParsedMessage) -> Iterator[str]:
    if b"?==?" in message.head:
        yield "two encoded-words touch, which Yahoo refuses"
    for line in message.head_lines:
        words = re.findall(rb"=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=", line)
        if any(len(word) > _ENCODED_WORD for word in words):
            yield f"an encoded-word over {_ENCODED_WORD} characters: {_readable(line)}"
        elif words and len(line) > _ENCODED_LINE:
            yield f"a line with encoded-words over {_ENCODED_LINE} characters: {_readable(line)}"


def _body_lines(message: ParsedMessage) -> Iterator[str]:
    for part in message.parts:
        encoding = str(part["Content-Transfer-Encoding"] or "").strip().lower()
        limit = _ENCODED_LINE if encoding in ("quoted-printable", "base64") else _LONGEST_LINE
        longest = max(map(len, str(part.get_payload() or "").splitlines()), default=0)
        if longest > limit:
            yield f"a line of {longest} characters in {part.get_content_type()}, where {limit} are allowed"


def _readable(line: bytes) -> str:
    return line[:40].decode("ascii", "backslashreplace")


RULES = (
    Rule(
        "line-endings",
        ALL,
        Scope.ANY,
        "Every line ends in CR LF.",
        "Use CR LF everywhere; SMTP servers may refuse or change other lines.",
        _line_endings,
    ),
    Rule(
        "header-ascii",
        ALL,
        Scope.ANY,
        "The header is ASCII only.",
        "Encode other characters as encoded-words (RFC 2047).",
        _header_ascii,
    ),
    Rule(
        "header-lines",
        ALL,
        Scope.ANY,
        "A header line is a field or a folded line, of at most 998 characters.",
        "Fold long fields at white space (RFC 5322 §2.2.3).",
        _header_lines,
    ),
    Rule(
        "header-once",
        ALL,
        Scope.ANY,
        "Fields that are allowed once appear once.",
        "Send each of these fields once (RFC 5322 §3.6).",
        _header_once,
    ),
    Rule(
        "encoded-words",
        ALL,
        Scope.ANY,
        "Encoded-words have at most 75 characters, their lines 76, with white space between them.",
        "Split long values into several encoded-words, each on a folded line (RFC 2047 §2).",
        _encoded_words,
    ),
    Rule(
        "body-lines",
        ALL,
        Scope.ANY,
        "Encoded body lines have at most 76 characters, others 998.",
        "Let the encoder break the lines (RFC 2045 §6.7 and §6.8).",
        _body_lines,
    ),
)
