"""Letter + Headers → the exact bytes of one message (RFC 5322, 2045-2047, 2369, 8058). Pure: same values, same bytes.

Header lines are written here and not by the email package, which encodes long List-Unsubscribe addresses (RFC 2047
forbids it, mail programs then show no button) and in some versions joins encoded-words without a space.
"""

import binascii
import hashlib
import re
from datetime import datetime
from email.parser import BytesHeaderParser
from email.utils import format_datetime, parseaddr

from digest.mail.message import Headers, Kind, Letter
from digest.mail.words import one_line

LONGEST_LINE = 998  # RFC 5322 §2.1.1, without CRLF
GOOD_LINE = 78
# 39 bytes are 52 characters of base64, 64 with its frame: a line of "Subject: " and one encoded-word stays below 76.
_WORD_BYTES = 39
_LONGEST_SUBJECT = 250
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")  # dot-atom, RFC 5322 §3.2.3
_TOKEN = re.compile(r"[!-;=?-~]+")  # printable ASCII without space, < and >


class UnfitMessage(ValueError):
    """These values do not make a message that may be put on the wire; says which."""


def compose(letter: Letter, headers: Headers) -> bytes:
    """The message: multipart/alternative of text and HTML, CRLF lines, 7 bit. Raises UnfitMessage."""
    boundary = f"=_{hashlib.sha256(headers.message_id.encode()).hexdigest()[:32]}"
    fields = [*_fields(letter, headers), *_mime_fields(boundary)]
    head = b"".join(_field(name, value) for name, value in fields)
    _check(head, [name for name, _ in fields])
    return head + b"\r\n" + _body(letter, boundary)


def message_id(delivery_id: int, recipient: str, occasion: str, kind: Kind, domain: str) -> str:
    """The Message-ID of a delivery, without angle brackets: the same for each attempt, and saying nobody's address."""
    named = "\0".join((str(delivery_id), recipient, occasion, kind))
    return f"{kind}.{hashlib.sha256(named.encode()).hexdigest()[:32]}@{domain}"


def _fields(letter: Letter, headers: Headers) -> list[tuple[str, str]]:
    fields = [
        ("From", _mailbox(headers.sender)),
        ("To", _address(headers.to)),
        ("Reply-To", _mailbox(headers.reply_to) if headers.reply_to else ""),
        ("Subject", _subject(letter.subject)),
        ("Date", _date(headers.date)),
        ("Message-ID", f"<{_message_id(headers.message_id)}>"),
        *_list_fields(headers),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834 §5
        ("Precedence", "bulk" if headers.kind is Kind.DIGEST else ""),
    ]
    return [(name, value) for name, value in fields if value]


def _list_fields(headers: Headers) -> list[tuple[str, str]]:
    domain = _token("list_domain", headers.list_domain)
    ways_out = [_uri(url) for url in (headers.unsubscribe_url, headers.unsubscribe_mailto) if url]
    if not headers.unsubscribe_url.startswith(("https://", "http://")):
        raise UnfitMessage("unsubscribe_url is not a web address (RFC 8058)")
    return [
        ("List-Id", f"<digest.{domain}>"),
        ("List-Unsubscribe", ",\r\n ".join(ways_out)),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Archive", _uri(headers.archive_url) if headers.archive_url else ""),
        ("Feedback-ID", f"{_token('occasion', headers.occasion)}:{headers.kind}:{domain}:digest"),
    ]


def _mime_fields(boundary: str) -> list[tuple[str, str]]:
    return [("MIME-Version", "1.0"), ("Content-Type", f'multipart/alternative;\r\n boundary="{boundary}"')]


def _field(name: str, value: str) -> bytes:
    try:
        return f"{name}: {value}\r\n".encode("ascii")
    except UnicodeEncodeError:
        raise UnfitMessage(f"{name} is not ASCII") from None


def _subject(subject: str) -> str:
    line = one_line(subject)[:_LONGEST_SUBJECT]
    if not line:
        raise UnfitMessage("the subject is empty")
    return line if len("Subject: ") + len(line) <= GOOD_LINE and _is_plain(line) else _encoded_words(line)


def _mailbox(mailbox: str) -> str:
    """`Name <address>` with the name quoted or encoded as it needs (RFC 5322 §3.4)."""
    if re.search(r"[\x00-\x1f\x7f]", mailbox):
        raise UnfitMessage("a sender's name holds control characters")
    name, address = parseaddr(mailbox)
    name = one_line(name)
    if not name:
        return _address(address)
    if not _is_plain(name) or len(name) > 60:
        return f"{_encoded_words(name)}\r\n <{_address(address)}>"
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    phrase = name if re.fullmatch(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+", name) else f'"{escaped}"'
    together = f"{phrase} <{_address(address)}>"
    return together if len("Reply-To: ") + len(together) <= GOOD_LINE else f"{phrase}\r\n <{_address(address)}>"


def _is_plain(line: str) -> bool:
    """Whether a reader's mail program shows `line` as it is: printable ASCII that cannot be taken for encoded-words."""
    return line.isascii() and line.isprintable() and "=?" not in line


def _encoded_words(line: str) -> str:
    """RFC 2047 §2: words of at most 75 characters, each of whole characters, parted by a folded space."""
    words, chunk = [], b""
    for character in line:
        encoded = character.encode()
        if len(chunk) + len(encoded) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    return "\r\n ".join(f"=?utf-8?b?{binascii.b2a_base64(word, newline=False).decode()}?=" for word in (*words, chunk))


def _address(address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        raise UnfitMessage("an address is not one plain ASCII address")
    return address


def _date(date: datetime) -> str:
    if date.tzinfo is None:
        raise UnfitMessage("the date has no zone")
    return format_datetime(date)


def _message_id(value: str) -> str:
    if not re.fullmatch(r"[!-;=?A-~]+@[!-;=?A-~]+", value):
        raise UnfitMessage("the Message-ID is not left@right (RFC 5322 §3.6.4)")
    return value


def _uri(url: str) -> str:
    """On one line however long it is: RFC 2369 §2 allows no space inside the brackets, and no encoding."""
    return f"<{_token('a list address', url)}>"


def _token(what: str, value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise UnfitMessage(f"{what} is not plain ASCII without spaces")
    return value


def _check(head: bytes, intended: list[str]) -> None:
    """The last look, with other eyes: a parser must find exactly the fields that were meant, each once."""
    found = BytesHeaderParser().parsebytes(head + b"\r\n").keys()
    if found != intended:
        raise UnfitMessage("a value would bring a header field of its own")
    if any(len(line) > LONGEST_LINE for line in head.split(b"\r\n")):
        raise UnfitMessage("a header line is longer than 998 characters")


def _body(letter: Letter, boundary: str) -> bytes:
    # The boundary holds "=_", which quoted-printable never does.
    parts = [_part("text/plain", letter.text), _part("text/html", letter.html)]
    return b"".join(f"--{boundary}\r\n".encode() + part for part in parts) + f"--{boundary}--\r\n".encode()


def _part(media_type: str, content: str) -> bytes:
    head = f"Content-Type: {media_type}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head.encode() + _quoted_printable(content) + b"\r\n"


def _quoted_printable(content: str) -> bytes:
    """RFC 2045 §6.7: CRLF, lines of at most 76 characters."""
    # b2a_qp breaks long lines by the kind of line end that it meets first, or by LF when it meets none.
    lines = "\n" + content.replace("\r\n", "\n").replace("\r", "\n")
    try:
        encoded = binascii.b2a_qp(lines.encode(), istext=True)
    except UnicodeEncodeError:
        raise UnfitMessage("the letter holds a lone surrogate") from None
    # It lets a line that ends in a space grow to 77 characters.
    encoded = re.sub(rb"([^\n]{74,})(=20|=09)(?=\n|\Z)", rb"\1=\n\2", encoded)
    # Some mail stores put ">" before a line that begins so.
    encoded = encoded.replace(b"\nFrom ", b"\n=46rom =\n")
    return encoded[1:].replace(b"\n", b"\r\n")
