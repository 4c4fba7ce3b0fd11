"""Letter + Headers → the exact bytes of one message (RFC 5322, 2045-2047, 2369, 8058). Pure: same values, same bytes.

Header lines are written here and not by the email package, which encodes long List-Unsubscribe addresses (RFC 2047
forbids it, mail programs then show no button) and in some versions joins encoded-words without a space.
"""

import binascii
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from email.parser import BytesHeaderParser
from email.utils import format_datetime, parseaddr

from digest.ledger.kinds import LISTED, Kind
from digest.mail.compose.dkim import Signer, signatures
from digest.mail.compose.quoted_printable import quoted_printable
from digest.mail.message import Headers, MessageParts
from digest.text import one_line

LONGEST_LINE = 998  # RFC 5322 §2.1.1, without CRLF
GOOD_LINE = 78
LONGEST_ADDRESS = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets
# 39 bytes are 52 characters of base64, 64 with its frame: a line of "Subject: " and one encoded-word stays below 76.
_WORD_BYTES = 39
_LONGEST_SUBJECT = 250
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")  # dot-atom, RFC 5322 §3.2.3
_TOKEN = re.compile(r"[!-;=?-~]+")  # printable ASCII without space, < and >


Fields = Sequence[tuple[str, str]]


class UnfitMessage(ValueError):
    """These values do not make a message that may be put on the wire; says which."""


def compose(letter: MessageParts, headers: Headers, signers: Sequence[Signer] = ()) -> bytes:
    """The message: multipart/alternative of text and HTML, CRLF lines, 7 bit. Raises UnfitMessage."""
    fields = [*header_fields(letter.subject, headers), *mime_fields(boundary_for(headers.message_id))]
    check_fields(fields)
    text, html = (_encoded(content) for content in (letter.text, letter.html))
    before_text, before_html, end = frame(boundary_for(headers.message_id))
    return signed(fields, [before_text, text, before_html, html, end], headers.date, signers)


def signed(fields: Fields, body: Sequence[bytes], date: datetime, signers: Sequence[Signer]) -> bytes:
    """Header section and the pieces of the body as one message, with a DKIM signature for each signer, of the domain
    of From.
    """
    above: Fields = ()
    if signers:
        body = [b"".join(body)]
        above = signatures(fields, body[0], domain_of(fields[0][1]), date, signers)
    head = "".join([f"{name}: {value}\r\n" for name, value in (*above, *fields)])
    return b"".join([head.encode("ascii"), b"\r\n", *body])


def message_id(delivery_id: int, recipient: str, occasion: str, kind: Kind, domain: str) -> str:
    """The Message-ID of a delivery, without angle brackets: the same for each attempt, and saying nobody's address."""
    named = "\0".join((str(delivery_id), recipient, occasion, kind))
    return f"{kind}.{hashlib.sha256(named.encode()).hexdigest()[:32]}@{domain}"


def header_fields(subject: str, headers: Headers) -> list[tuple[str, str]]:
    """Names and values, folded, From first. Raises UnfitMessage."""
    fields = [
        ("From", _mailbox(headers.sender)),
        ("To", address_value(headers.to)),
        ("Reply-To", _mailbox(headers.reply_to or headers.sender)),
        ("Subject", subject_value(subject)),
        ("Date", date_value(headers.date)),
        ("Message-ID", f"<{_message_id(headers.message_id)}>"),
        *_list_fields(headers),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834 §5
        ("Precedence", "bulk" if headers.kind in LISTED else ""),
    ]
    return [(name, value) for name, value in fields if value]


def _list_fields(headers: Headers) -> list[tuple[str, str]]:
    domain = _token("list_domain", headers.list_domain)
    ways_out = [_uri(url) for url in (headers.unsubscribe_url, headers.unsubscribe_mailto) if url]
    if not headers.unsubscribe_url.startswith(("https://", "http://")):
        raise UnfitMessage("unsubscribe_url is not a web address (RFC 8058)")
    listed = headers.kind in LISTED  # readers sort by List-Id: what they asked for just now belongs into their inbox
    return [
        ("List-Id", f"<digest.{domain}>" if listed else ""),
        ("List-Unsubscribe", ",\r\n ".join(ways_out)),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Archive", _uri(headers.archive_url) if headers.archive_url and listed else ""),
        ("Feedback-ID", f"{_token('occasion', headers.occasion)}:{headers.kind}:{domain}:digest"),
    ]


def mime_fields(boundary: str) -> list[tuple[str, str]]:
    """What follows header_fields."""
    return [("MIME-Version", "1.0"), ("Content-Type", f'multipart/alternative;\r\n boundary="{boundary}"')]


def subject_value(subject: str) -> str:
    """Plain where it can be, in encoded-words where it cannot."""
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
        return address_value(address)
    if not _is_plain(name) or len(name) > 60:
        return f"{_encoded_words(name)}\r\n <{address_value(address)}>"
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    phrase = name if re.fullmatch(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+", name) else f'"{escaped}"'
    together = f"{phrase} <{address_value(address)}>"
    return together if len("Reply-To: ") + len(together) <= GOOD_LINE else f"{phrase}\r\n <{address_value(address)}>"


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


def address_value(address: str) -> str:
    """One bare address, which needs no further look: nothing that matches can bring a field of its own."""
    if not _ADDRESS.fullmatch(address) or len(address) > LONGEST_ADDRESS:
        raise UnfitMessage("an address is not one plain ASCII address")
    return address


def date_value(date: datetime) -> str:
    """RFC 5322 §3.3, in the offset given."""
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


def check_fields(fields: Fields) -> None:
    """The last look, with other eyes: a parser must find exactly the fields that were meant, each once."""
    try:
        head = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii")
    except UnicodeEncodeError:
        raise UnfitMessage("a header field is not ASCII") from None
    if BytesHeaderParser().parsebytes(head + b"\r\n").keys() != [name for name, _ in fields]:
        raise UnfitMessage("a value would bring a header field of its own")
    if any(len(line) > LONGEST_LINE for line in head.split(b"\r\n")):
        raise UnfitMessage("a header line is longer than 998 characters")


def domain_of(mailbox: str) -> str:
    """The domain of `Name <address>` or of a bare address, folded or not."""
    return mailbox.removesuffix(">").rpartition("@")[2]


def boundary_for(named: str) -> str:
    """A boundary that stands in no part: it holds "=_", which quoted-printable never does."""
    return f"=_{hashlib.sha256(named.encode()).hexdigest()[:32]}"


def frame(boundary: str) -> tuple[bytes, bytes, bytes]:
    """What stands before the text, between text and HTML, and after the HTML."""
    delimiter = f"--{boundary}".encode()
    return (
        delimiter + _part_head("text/plain"),
        b"\r\n" + delimiter + _part_head("text/html"),
        b"\r\n" + delimiter + b"--\r\n",
    )


def _part_head(media_type: str) -> bytes:
    head = f"\r\nContent-Type: {media_type}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head.encode("ascii")


def _encoded(content: str) -> bytes:
    try:
        return quoted_printable(content)
    except UnicodeEncodeError:
        raise UnfitMessage("the letter holds a lone surrogate") from None
