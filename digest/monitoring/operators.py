"""The people who run the installation: their roles, their links to sign in, and their sessions in the console.

Links and sessions are stored as hashes, so that a copy of the database opens nothing.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from digest.database.dialect import insert_or_change
from digest.database.tables import operators, sessions
from digest.ledger import events
from digest.monitoring import api_tokens

LINK_LIFETIME = timedelta(minutes=15)
IDLE = timedelta(hours=12)  # without a request, after which a session ends
LONGEST = timedelta(days=7)  # a session
LONGEST_NAME = 60
_SEEN_AGAIN = timedelta(minutes=10)  # a session is written at most so often


class OperatorRole(StrEnum):
    """A viewer sees the whole console; an operator also acts."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Operator:
    """A person with access to the console."""

    name: str
    role: OperatorRole
    added_at: datetime
    link_until: datetime | None  # of a link that was not used yet
    sessions: int
    seen_at: datetime | None  # in any of the sessions
    email: str | None = None


class InvalidName(ValueError):
    """The name cannot be an operator's; the message says why."""


def valid_name(text: str) -> str:
    """The name as it is stored. Raises InvalidName."""
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidName(f"use 1 to {LONGEST_NAME} printable characters")
    return name


# --- people ---


def role_of(connection: Connection, name: str) -> OperatorRole | None:
    """The role of an operator; None for anyone else."""
    role = connection.scalar(select(operators.c.role).where(operators.c.name == name))
    return OperatorRole(role) if role else None


def make_link(connection: Connection, name: str, role: OperatorRole, now: datetime) -> str:
    """The secret of a link that signs `name` in once; it replaces the last one. Adds the operator if new.

    Another role than before ends the sessions, and that of a viewer the API tokens as well.
    """
    before, secret = role_of(connection, name), secrets.token_urlsafe(32)
    link = {"role": role, "link_hash": _hash(secret), "link_until": now + LINK_LIFETIME}
    connection.execute(insert_or_change(connection, operators, ["name"], link).values(name=name, added_at=now, **link))
    if before not in (None, role):
        _end_sessions(connection, name)
        if role is OperatorRole.VIEWER:
            api_tokens.revoke_all_of(connection, name, now)
    what = "sign-in link made" if before is role else "role changed" if before else "operator added"
    _record(connection, name, what, now, role)
    return secret


def set_address(connection: Connection, name: str, address: str, now: datetime) -> None:
    """Store the address to which links for an operator are mailed; "" for none."""
    change = update(operators).where(operators.c.name == name)
    connection.execute(change.values(email=address or None, mailed_hash=None, mailed_until=None))
    _record(connection, name, "address changed" if address else "address removed", now)


def link_to_mail(connection: Connection, name: str, now: datetime) -> tuple[str, str] | None:
    """The secret of a link and the address that it is mailed to; None without an operator of this name and address.

    It replaces the last one that was mailed, but none that was printed.
    """
    secret = secrets.token_urlsafe(32)
    change = update(operators).where(operators.c.name == name, operators.c.email.is_not(None))
    link = {"mailed_hash": _hash(secret), "mailed_until": now + LINK_LIFETIME}
    address = connection.scalar(change.values(link).returning(operators.c.email))
    if address is None:
        return None
    _record(connection, name, "sign-in link mailed", now)
    return secret, address


def remove(connection: Connection, name: str, now: datetime) -> bool:
    """Remove an operator with all links, sessions and API tokens; False if there is none of this name."""
    _end_sessions(connection, name)
    is_removed = connection.execute(delete(operators).where(operators.c.name == name)).rowcount == 1
    if is_removed:
        api_tokens.revoke_all_of(connection, name, now)
        _record(connection, name, "operator removed", now)
    return is_removed


def all_operators(connection: Connection, now: datetime) -> list[Operator]:
    """By name, with the links and sessions that still work."""
    used = select(sessions.c.operator, func.count().label("number"), func.max(sessions.c.seen_at).label("seen_at"))
    live = used.where(_is_live(now)).group_by(sessions.c.operator).subquery()
    columns = (operators.c.name, operators.c.role, operators.c.added_at, operators.c.link_until, operators.c.email)
    query = select(*columns, live.c.number, live.c.seen_at).outerjoin(live, live.c.operator == operators.c.name)
    rows = connection.execute(query.order_by(operators.c.name))
    return [
        Operator(
            name=row.name,
            role=OperatorRole(row.role),
            added_at=row.added_at,
            link_until=row.link_until if row.link_until and row.link_until > now else None,
            sessions=row.number or 0,
            seen_at=row.seen_at,
            email=row.email,
        )
        for row in rows
    ]


# --- sessions ---


def sign_in(connection: Connection, secret: str, now: datetime, old_session: str = "") -> str | None:
    """Use up a link: the id of a new session, or None if the link is wrong, used or too old.

    The session that the browser had before ends, and its id is never used again.
    """
    name = None
    for link in ("link", "mailed"):
        given, until = operators.c[f"{link}_hash"], operators.c[f"{link}_until"]
        used = update(operators).where(given == _hash(secret), until > now)
        name = name or connection.scalar(used.values({given: None, until: None}).returning(operators.c.name))
    if name is None:
        return None
    if old_session:
        connection.execute(delete(sessions).where(sessions.c.hash == _hash(old_session)))
    connection.execute(delete(sessions).where(~_is_live(now)))
    session = secrets.token_urlsafe(32)
    row = {"hash": _hash(session), "operator": name, "started_at": now, "seen_at": now}
    connection.execute(sessions.insert().values(row))
    with events.acting(name, "console"):
        _record(connection, name, "signed in", now)
    return session


def session_of(connection: Connection, session: str, now: datetime) -> tuple[str, OperatorRole, bool] | None:
    """The operator of a session, their role, and whether note_seen() is due; None if it has ended."""
    query = select(operators.c.name, operators.c.role, sessions.c.seen_at)
    query = query.join(sessions, sessions.c.operator == operators.c.name)
    row = connection.execute(query.where(sessions.c.hash == _hash(session), _is_live(now))).first()
    return (row.name, OperatorRole(row.role), now - row.seen_at > _SEEN_AGAIN) if row else None


def note_seen(connection: Connection, session: str, now: datetime) -> None:
    """Let a session live for another IDLE."""
    connection.execute(update(sessions).where(sessions.c.hash == _hash(session)).values(seen_at=now))


def sign_out(connection: Connection, session: str, name: str, now: datetime) -> None:
    """End a session."""
    if connection.execute(delete(sessions).where(sessions.c.hash == _hash(session))).rowcount:
        _record(connection, name, "signed out", now)


def _is_live(now: datetime) -> ColumnElement[bool]:
    return (sessions.c.seen_at > now - IDLE) & (sessions.c.started_at > now - LONGEST)


def _end_sessions(connection: Connection, name: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.operator == name))


def _record(connection: Connection, name: str, what: str, now: datetime, role: OperatorRole | None = None) -> None:
    detail = {"role": str(role)} if role else {}
    events.record(connection, now, f"operator:{name}"[:80], what, detail)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
