"""The tokens with which programs use the API: what each may do, and until when. Only their hashes are stored."""

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, Row, select, update

from digest.database.dialect import insert_new
from digest.database.tables import api_tokens
from digest.ledger import events

DAYS, MOST_DAYS = 90, 3660  # until a token expires: unless chosen, and at most
PREFIX = "digest_"
LONGEST_NAME = 60
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET, _CHECKSUM = 32, 6  # characters; 62**32 is about 190 bits
_TOKEN = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_SECRET + _CHECKSUM}}}")
_SHOWN = len(PREFIX) + 4  # characters, by which people recognise a token
_USED_AGAIN = timedelta(hours=1)  # the last use is written at most so often


class TokenScope(StrEnum):
    """An action that a token allows. Writing answers with the new state."""

    SUBSCRIBERS_READ = "subscribers:read"
    SUBSCRIBERS_WRITE = "subscribers:write"
    ISSUES_READ = "issues:read"
    ISSUES_WRITE = "issues:write"
    PAPERS_READ = "papers:read"
    SUPPRESSIONS_READ = "suppressions:read"
    SUPPRESSIONS_WRITE = "suppressions:write"
    DELIVERIES_READ = "deliveries:read"
    STATUS_READ = "status:read"


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as it is listed: without its secret."""

    id: int
    name: str
    begins: str
    scopes: frozenset[TokenScope]
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at <= now else "valid"

    def is_use_due(self, now: datetime) -> bool:
        """True if note_use() has something to write."""
        return self.last_used_at is None or now - self.last_used_at > _USED_AGAIN


@dataclass(frozen=True, slots=True)
class NewToken:
    """The wishes for a token."""

    name: str
    scopes: frozenset[TokenScope]
    days: int = DAYS


class InvalidToken(ValueError):
    """No such token can be made; the message says why."""


def wanted_token(name: str, scopes: Collection[str], days: int = DAYS) -> NewToken:
    """Check what someone typed. Raises InvalidToken."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidToken(f"name: use 1 to {LONGEST_NAME} printable characters")
    unknown = sorted(set(scopes) - set(TokenScope))
    if unknown:
        raise InvalidToken(f"unknown scope {unknown[0][:40]!r} (available: {', '.join(TokenScope)})")
    if not scopes:
        raise InvalidToken("choose at least one scope")
    if not 1 <= days <= MOST_DAYS:
        raise InvalidToken(f"days: use a number from 1 to {MOST_DAYS}")
    return NewToken(name, frozenset(map(TokenScope, scopes)), days)


def create(connection: Connection, wanted: NewToken, by: str, now: datetime) -> str | None:
    """Store a token and return it, for the only time; None if its name was used before."""
    token = new_token()
    row = {
        "name": wanted.name,
        "hash": _hash(token),
        "begins": token[:_SHOWN],
        "scopes": sorted(wanted.scopes),
        "created_by": by[:80],
        "created_at": now,
        "expires_at": now + timedelta(days=wanted.days),
    }
    added = insert_new(connection, api_tokens).values(row).returning(api_tokens.c.id)
    if connection.execute(added).first() is None:
        return None
    detail = {"scopes": row["scopes"], "expires": f"{row['expires_at']:%Y-%m-%d}"}
    events.record(connection, now, _subject(wanted.name), "API token created", detail)
    return token


def revoke(connection: Connection, name: str, now: datetime) -> bool:
    """End a token at once; False if it does not exist or was revoked before."""
    which = (api_tokens.c.name == name) & api_tokens.c.revoked_at.is_(None)
    changed = connection.execute(update(api_tokens).where(which).values(revoked_at=now)).rowcount == 1
    if changed:
        events.record(connection, now, _subject(name), "API token revoked", {})
    return changed


def revoke_all_of(connection: Connection, operator: str, now: datetime) -> list[str]:
    """End every token that an operator made, with their access: they may have kept a copy. Returns the names."""
    return [name for name in names_of(connection, operator) if revoke(connection, name, now)]


def names_of(connection: Connection, operator: str) -> list[str]:
    """The tokens that an operator made and nobody revoked."""
    query = select(api_tokens.c.name).where(api_tokens.c.created_by == operator, api_tokens.c.revoked_at.is_(None))
    return list(connection.scalars(query.order_by(api_tokens.c.name)))


def all_tokens(connection: Connection) -> list[ApiToken]:
    """By name, also those that have ended."""
    return [_listed(row) for row in connection.execute(select(api_tokens).order_by(api_tokens.c.name))]


def token_named(connection: Connection, name: str) -> ApiToken | None:
    row = connection.execute(select(api_tokens).where(api_tokens.c.name == name)).one_or_none()
    return _listed(row) if row else None


# --- their use ---


def is_well_formed(token: str) -> bool:
    """True if the checksum fits: without that, the database need not be asked."""
    return bool(_TOKEN.fullmatch(token)) and token[-_CHECKSUM:] == _checksum(token[:-_CHECKSUM])


def token_of(connection: Connection, token: str) -> ApiToken | None:
    """The token that was given, whether or not it still works; None if there is none."""
    row = connection.execute(select(api_tokens).where(api_tokens.c.hash == _hash(token))).one_or_none()
    return _listed(row) if row else None


def note_use(connection: Connection, token: ApiToken, now: datetime) -> None:
    connection.execute(update(api_tokens).where(api_tokens.c.id == token.id).values(last_used_at=now))


def new_token() -> str:
    body = PREFIX + "".join(secrets.choice(_DIGITS) for _ in range(_SECRET))
    return body + _checksum(body)


def _checksum(body: str) -> str:
    """CRC-32 in base 62, by which scanners of source code tell a token from any other text."""
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text


def _listed(row: Row[tuple[object, ...]]) -> ApiToken:
    values = dict(row._mapping)
    del values["hash"]
    # A scope that a later version dropped allows nothing.
    values["scopes"] = frozenset(TokenScope(scope) for scope in values["scopes"] if scope in set(TokenScope))
    return ApiToken(**values)


def _subject(name: str) -> str:
    return f"api-token:{name}"[:80]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
