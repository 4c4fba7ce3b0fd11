"""Reads a mailbox by IMAP over TLS. Each message is marked as seen, or moved, once it is processed."""

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from digest.bounces.intake.putting_away import Take, process_each
from digest.bounces.reading.opened import MAX_MESSAGE

_SECONDS = 30.0  # for each reply of the server


@dataclass(frozen=True)
class ImapAccount:
    """An account and a folder, such as imaps://user:password@host:993/INBOX."""

    host: str
    port: int
    user: str
    password: str
    folder: str
    is_plain: bool = False  # without TLS, for this machine only


def parse_mailbox(url: str) -> ImapAccount:
    """Parse the URL of a mailbox. Raises ValueError."""
    parts = urlsplit(url)
    is_plain = parts.scheme == "imap"
    if parts.scheme not in ("imap", "imaps") or not (parts.hostname and parts.username and parts.password):
        raise ValueError("write imaps://user:password@host/INBOX")
    if is_plain and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("imap:// is not encrypted; write imaps://")
    user, password = unquote(parts.username), unquote(parts.password)
    port = parts.port or (143 if is_plain else 993)
    return ImapAccount(parts.hostname, port, user, password, unquote(parts.path.strip("/")) or "INBOX", is_plain)


def take_from_imap(
    mailbox: ImapAccount,
    take: Take,
    move_to: str = "",
    most: int = 1000,
    tls: ssl.SSLContext | None = None,
) -> int:
    """Process the unseen messages, then mark each as seen or move it, as process_each() says.

    Raises OSError if the server cannot be used.
    """
    with _opened(mailbox, tls) as server:
        numbers = _unseen(server)[:most]
        return process_each(
            ((_fetched(server, number), partial(_put_away, server, number, move_to)) for number in numbers), take
        )


def count_unseen(mailbox: ImapAccount, tls: ssl.SSLContext | None = None) -> int:
    """Return the number of unseen messages. Raises OSError if the server cannot be used."""
    with _opened(mailbox, tls) as server:
        return len(_unseen(server))


@contextmanager
def _opened(mailbox: ImapAccount, tls: ssl.SSLContext | None) -> Iterator[imaplib.IMAP4]:
    try:
        if mailbox.is_plain:
            server = imaplib.IMAP4(mailbox.host, mailbox.port, timeout=_SECONDS)
        else:
            context = tls or ssl.create_default_context()
            server = imaplib.IMAP4_SSL(mailbox.host, mailbox.port, ssl_context=context, timeout=_SECONDS)
        try:
            server.login(mailbox.user, mailbox.password)
            _checked(server.select(f'"{mailbox.folder}"'))
            yield server
        finally:
            with suppress(imaplib.IMAP4.error, OSError):
                server.logout()
    except imaplib.IMAP4.error as problem:
        raise OSError(f"the IMAP server at {mailbox.host} answers: {problem}") from problem


def _unseen(server: imaplib.IMAP4) -> list[str]:
    found = _checked(server.uid("SEARCH", "UNSEEN"))[0]
    return found.decode("ascii", "replace").split() if isinstance(found, bytes) else []


def _fetched(server: imaplib.IMAP4, number: str) -> bytes:
    """Fetch the beginning of a message; BODY.PEEK leaves it unseen."""
    parts = _checked(server.uid("FETCH", number, f"(BODY.PEEK[]<0.{MAX_MESSAGE}>)"))
    return next((part[1] for part in parts if isinstance(part, tuple)), b"")


def _put_away(server: imaplib.IMAP4, number: str, folder: str) -> None:
    if folder and "MOVE" in server.capabilities:
        _checked(server.uid("MOVE", number, f'"{folder}"'))
        return
    if folder:
        _checked(server.uid("COPY", number, f'"{folder}"'))
    _checked(server.uid("STORE", number, "+FLAGS", r"(\Seen \Deleted)" if folder else r"(\Seen)"))
    if folder:
        server.expunge()


def _checked(answer: tuple[str, list[Any]]) -> list[Any]:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(str(answer[1][:1]))
    return answer[1]
