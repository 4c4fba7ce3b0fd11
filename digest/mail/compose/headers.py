"""Writes messages byte by byte (RFC 5322, 2045-2047, 2369, 8058).

The same values give the same bytes. Header lines are written here because the email package encodes long
List-Unsubscribe addresses, which RFC 2047 forbids: mail clients then show no button. Some of its versions also join
encoded-words without a space.
"""

import binascii
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from email.parser import BytesHeaderParser
from email.utils import format_datetime, formataddr, parseaddr
from urllib.parse import quote

from digest.ledger.deliveries import Delivery
from digest.mail.compose.dkim import GOOD_LINE, Fields, Signer, signatures
from digest.mail.compose.quoted_printable import quoted_printable
from digest.mail.kinds import KINDS
from digest.mail.message import Headers, MessageParts, UnfitMessage
from digest.text import domain_of, one_line

LONGEST_LINE = 998  # RFC 5322 §2.1.1, without CRLF
# 39 bytes are 52 characters of base64, 64 with its frame: a line of "Subject: " and one encoded-word stays below 76.
_WORD_BYTES = 39
_LONGEST_SUBJECT = 250
# A dot-atom (RFC 5322 §3.2.3) of up to 254 characters (RFC 5321 §4.5.3.1.3, without the angle brackets).
_ADDRESS = re.compile(r"(?=.{,254}\Z)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_MESSAGE_ID = re.compile(r"[!-;=?A-~]+@[!-;=?A-~]+")  # left@right, RFC 5322 §3.6.4
_TOKEN = re.compile(r"[!-;=?-~]+")  # printable ASCII without space, < and >


def message_bytes(parts: MessageParts, headers: Headers, signers: Sequence[Signer] = ()) -> bytes:
    """Write multipart/alternative with text and HTML in 7 bit, CRLF lines. Raises UnfitMessage."""
    boundary = boundary_for(headers.message_id)
    fields = header_fields(parts.subject, headers, boundary)
    try:
        text, html = quoted_printable(parts.text), quoted_printable(parts.html)
    except UnicodeEncodeError:
        raise UnfitMessage("the message has a lone surrogate") from None
    before_text, before_html, end = frame(boundary)
    return signed(fields, [before_text, text, before_html, html, end], domain_of(headers.sender), headers.date, signers)


def signed(fields: Fields, body: Sequence[bytes], domain: str, date: datetime, signers: Sequence[Signer]) -> bytes:
    """Join a message and add a DKIM signature of `domain` for each signer."""
    above: Fields = ()
    if signers:
        body = [b"".join(body)]
        above = signatures(fields, body[0], domain, date, signers)
    head = "".join([f"{name}: {value}\r\n" for name, value in (*above, *fields)])
    return b"".join([head.encode("ascii"), b"\r\n", *body])


def message_id(delivery: Delivery, domain: str) -> str:
    """Message-ID without angle brackets: the same for each attempt, and without the address in it."""
    name = "\0".join((str(delivery.id), delivery.recipient, delivery.occasion, delivery.kind))
    return f"{delivery.kind}.{hashlib.sha256(name.encode()).hexdigest()[:32]}@{domain}"


def header_fields(subject: str, headers: Headers, boundary: str) -> list[tuple[str, str]]:
    """Names and folded values, From first. Raises UnfitMessage."""
    domain = domain_of(headers.sender)
    # Subscribers filter by List-Id, and a message that they have just asked for belongs in the inbox.
    is_listed = KINDS[headers.kind].is_listed
    if headers.unsubscribe_url and not headers.unsubscribe_url.startswith(("https://", "http://")):
        raise UnfitMessage("the unsubscribe address is not a web address (RFC 8058)")
    fields = [
        ("From", _mailbox(headers.sender)),
        ("To", address_value(headers.to)),
        ("Reply-To", _mailbox(headers.reply_to or headers.sender)),
        ("Subject", subject_value(subject)),
        ("Date", date_value(headers.date)),
        ("Message-ID", f"<{_matching(_MESSAGE_ID, headers.message_id, 'the Message-ID')}>"),
        ("List-Id", f"<digest.{domain}>" if is_listed else ""),
        ("List-Unsubscribe", unsubscribe_value(headers.unsubscribe_url, headers.unsubscribe_address)),
        ("List-Unsubscribe-Post", headers.unsubscribe_url and "List-Unsubscribe=One-Click"),
        ("List-Archive", f"<{_matching(_TOKEN, headers.archive_url, 'the archive')}>" if headers.archive_url else ""),
        ("Feedback-ID", f"{_matching(_TOKEN, headers.occasion, 'the occasion')}:{headers.kind}:{domain}:digest"),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834 §5
        ("Precedence", "bulk" if is_listed else ""),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative;\r\n boundary="{boundary}"'),
    ]
    fields = [(name, value) for name, value in fields if value]
    check_fields(fields)
    return fields


def unsubscribe_value(url: str, address: str) -> str:
    """The URL first, which accepts the one-click request (RFC 8058), then `address`; "" leaves either out."""
    # RFC 2369 §2 allows neither spaces nor encoding inside the brackets, so a line may be of any length.
    ways = [f"<{_matching(_TOKEN, url, 'the unsubscribe address')}>"] if url else []
    ways += [f"<mailto:{quote(address, safe='@+')}?subject=unsubscribe>"] if address else []
    return ",\r\n ".join(ways)


def subject_value(subject: str) -> str:
    """Plain where possible, else in encoded-words."""
    line = one_line(subject)[:_LONGEST_SUBJECT]
    if not line:
        raise UnfitMessage("the subject is empty")
    return line if len("Subject: ") + len(line) <= GOOD_LINE and _is_plain(line) else _encoded_words(line)


def _mailbox(mailbox: str) -> str:
    """`Name <address>` with the name quoted or encoded as it needs (RFC 5322 §3.4)."""
    if re.search(r"[\x00-\x1f\x7f]", mailbox):
        raise UnfitMessage("the sender's name has control characters")
    name, address = parseaddr(mailbox)
    name, address = one_line(name), address_value(address)
    if not _is_plain(name) or len(name) > 60:
        return f"{_encoded_words(name)}\r\n <{address}>"
    together = formataddr((name, address))
    fits = len("Reply-To: ") + len(together) <= GOOD_LINE
    return together if fits else "\r\n <".join(together.rsplit(" <", 1))


def _is_plain(line: str) -> bool:
    """Printable ASCII that mail clients cannot mistake for encoded-words."""
    return line.isascii() and line.isprintable() and "=?" not in line


def _encoded_words(line: str) -> str:
    """RFC 2047 §2: words of at most 75 bytes that split no character, joined by a folded space."""
    words, chunk = [], b""
    for character in line:
        encoded = character.encode()
        if len(chunk) + len(encoded) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    return "\r\n ".join(f"=?utf-8?b?{binascii.b2a_base64(word, newline=False).decode()}?=" for word in (*words, chunk))


def address_value(address: str) -> str:
    """A bare address that cannot add a header field."""
    return _matching(_ADDRESS, address, "an address")


def date_value(date: datetime) -> str:
    if date.tzinfo is None:
        raise UnfitMessage("the date has no zone")
    return format_datetime(date)


def _matching(pattern: re.Pattern[str], value: str, name: str) -> str:
    if not pattern.fullmatch(value):
        raise UnfitMessage(f"{name} has characters that do not fit into its header field, or too many")
    return value


def check_fields(fields: Fields) -> None:
    """Check with another parser that the header section has exactly these fields, each once."""
    if len(fields) == 1 and _is_one_line(*fields[0]):
        return  # thousands of subjects a second
    head = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii")
    if BytesHeaderParser().parsebytes(head + b"\r\n").keys() != [name for name, _ in fields]:
        raise UnfitMessage("a value would add a header field")
    if any(len(line) > LONGEST_LINE for line in head.split(b"\r\n")):
        raise UnfitMessage("a header line is longer than 998 characters")


def _is_one_line(name: str, value: str) -> bool:
    """True if it is a single field for any parser: nothing in it can begin another line."""
    return value.isascii() and value.isprintable() and len(name) + len(value) < LONGEST_LINE - 1


def boundary_for(name: str) -> str:
    """A boundary that no part can contain: quoted-printable never writes "=_"."""
    return f"=_{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def frame(boundary: str) -> tuple[bytes, bytes, bytes]:
    """The lines before the text, between text and HTML, and after the HTML."""
    text, html = (
        f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        for kind in ("plain", "html")
    )
    return text.encode(), f"\r\n{html}".encode(), f"\r\n--{boundary}--\r\n".encode()
