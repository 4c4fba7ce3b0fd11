"""What subscribers can do about their subscription, one transaction an action. Messages are queued, never sent, here.

Confirming queues an issue as well: issues/first_issue.py.
"""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.ledger.kinds import Kind, Status
from digest.ledger.queueing import count_mails, queue_mail
from digest.papers.community import forget_suggester
from digest.subscribers import store
from digest.subscribers.store import NewSubscriber
from digest.subscribers.subscriber import Consent, Preferences, Subscriber, event_subject, recipient_key
from digest.subscribers.suppressions import SuppressionReason, is_suppressed, lift, suppress

# Against using the form to bomb somebody's inbox: at most one such mail in a day and three in a month.
MAIL_LIMITS = ((timedelta(hours=24), 1), (timedelta(days=30), 3))
PENDING_FOR = timedelta(days=7)
UNDO_WITHIN = timedelta(hours=1)
SAID_WHY = "said why they left"


@dataclass(frozen=True, slots=True)
class RequestOrigin:
    """Where a request came from, for the record of consent."""

    form: str  # which form and version of its text
    client_hash: str  # keyed hash of the web client's address


def subscribe(
    engine: Engine,
    address: str,
    asked: RequestOrigin,
    now: datetime,
    secret: bytes,
    preferences: Preferences | None = None,
) -> None:
    """Ask for confirmation, unless the address has confirmed; whoever asks learns nothing of that here.

    `address` is normalised. `preferences` count for a new address only: nobody changes those of another.
    """
    key = recipient_key(address, secret)
    consent = Consent(now, asked.client_hash, asked.form)
    with transaction(engine) as connection:
        queued = None
        if not is_suppressed(connection, key):
            store.add_pending(connection, NewSubscriber(address, key, preferences or Preferences(), consent))
            queued = _ask_to_confirm(connection, key, consent)
        # Whatever happened, one event: an operator sees a bombed address, and the work is the same for all of them.
        _record(connection, key, "asked to subscribe", now, {"form": asked.form, "mail": str(queued or "")})


def _ask_to_confirm(connection: Connection, key: str, consent: Consent) -> Kind | None:
    reader = store.by_key(connection, key, lock=True)
    if reader is None:  # erased in this instant
        return None
    store.request_again(connection, reader.id, consent)
    kind = Kind.ALREADY if reader.status is Status.CONFIRMED else Kind.CONFIRMATION
    return kind if _queue_within_limits(connection, kind, reader, consent.requested_at) else None


def confirm_again(engine: Engine, subscriber_id: int, now: datetime) -> None:
    """Another confirmation mail for a pending reader whose link has expired, within the limits."""
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id)
        if reader is None or reader.status is not Status.PENDING:
            return
        if _queue_within_limits(connection, Kind.CONFIRMATION, reader, now):
            store.request_again(connection, reader.id, replace(reader.consent, requested_at=now))
            _record(connection, reader.key, "asked for another confirmation", now)


def change_preferences(engine: Engine, subscriber_id: int, preferences: Preferences, now: datetime) -> bool:
    """What the reader asks for, from the next issue on. False when they were erased."""
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id)
        if reader is None:
            return False
        preferences = _with_the_pause(reader.preferences, preferences, now)
        if reader.preferences != preferences:
            store.set_preferences(connection, subscriber_id, preferences)
            _record(
                connection,
                reader.key,
                "changed preferences",
                now,
                {"fields": _changed(reader.preferences, preferences)},
            )
    return True


def _with_the_pause(before: Preferences, after: Preferences, now: datetime) -> Preferences:
    """A pause that is over leaves the date of its end, so that the next issue knows who comes back (catch-up)."""
    if before.paused_until is None or after.paused_until is not None:
        return after
    return replace(after, paused_until=min(before.paused_until, now.astimezone(ZoneInfo(after.zone)).date()))


def unsubscribe(engine: Engine, subscriber_id: int, now: datetime, how: str, goodbye: bool = False) -> bool:
    """No further issue; what is queued is skipped when its turn comes. False when that was so already.

    `goodbye`: who had confirmed gets one last mail, within the limits, that says so.
    Who never confirmed is not asked again either, whoever types their address: their link says so.
    """
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id)
        changed = store.set_unsubscribed(connection, subscriber_id, now)
        if changed and reader and reader.status is Status.PENDING:
            suppress(connection, reader.key, SuppressionReason.ASKED, "", now)
        if changed and reader:
            _record(connection, reader.key, "unsubscribed", now, {"how": how})
            if goodbye and reader.status is Status.CONFIRMED and not is_suppressed(connection, reader.key):
                _queue_within_limits(connection, Kind.GOODBYE, reader, now)
    return changed


def say_why(engine: Engine, subscriber_id: int, reason: str, words: str, now: datetime) -> bool:
    """Keep why a reader left, once for each time they do. False when they said it, or are (again) subscribed."""
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id, lock=True)
        if reader is None or reader.status is not Status.UNSUBSCRIBED:
            return False
        last = events.latest(connection, 1, event_subject(reader.key))
        if last and last[0].what == SAID_WHY:
            return False
        _record(connection, reader.key, SAID_WHY, now, {"reason": reason, "words": words})
    return True


def resubscribe(engine: Engine, subscriber_id: int, now: datetime, within: timedelta | None = None) -> bool:
    """Undo an unsubscription of who had confirmed; with `within`, only a recent one. False when nothing changed."""
    with transaction(engine) as connection:
        since = now - within if within is not None else None
        changed = store.undo_unsubscribe(connection, subscriber_id, now, since)
        reader = store.by_id(connection, subscriber_id)
        if changed and reader:
            _record(connection, reader.key, "subscribed again", now)
    return changed


def allow_asking(engine: Engine, subscriber_id: int, now: datetime) -> bool:
    """Undo "never mail this address again": it may be signed up once more. False when nothing changed."""
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id)
        lifted = reader is not None and lift(connection, reader.key, SuppressionReason.ASKED)
        if reader and lifted:
            _record(connection, reader.key, "may be asked again", now)
    return lifted


def mail_link(engine: Engine, address: str, now: datetime, secret: bytes) -> None:
    """Mail a confirmed reader the link to their preferences, within the limits; whoever asks learns nothing here."""
    key = recipient_key(address, secret)
    with transaction(engine) as connection:
        reader = store.by_key(connection, key, lock=True)
        wanted = reader and reader.status is Status.CONFIRMED and not is_suppressed(connection, key)
        queued = bool(reader and wanted and _queue_within_limits(connection, Kind.LINK, reader, now))
        _record(connection, key, "asked for the link", now, {"mail": str(Kind.LINK) if queued else ""})


def find(engine: Engine, subscriber_id: int) -> Subscriber | None:
    """The reader whom a link is for; None once erased."""
    with read_only(engine) as connection:
        return store.by_id(connection, subscriber_id)


def erase(engine: Engine, subscriber_id: int, now: datetime) -> bool:
    """Forget a reader; the ledger keeps that there were mails, not for whom. False when that was so already."""
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id)
        if reader is None:
            return False
        erased = store.erase(connection, subscriber_id, reader.key)
        if erased:
            forget_suggester(connection, reader.key)
            events.forget_detail(connection, event_subject(reader.key), SAID_WHY)
            _record(connection, reader.key, "erased", now)
    return erased


def purge_pending(engine: Engine, now: datetime) -> int:
    """Forget who did not confirm within a week. Returns how many."""
    with transaction(engine) as connection:
        gone = store.purge_pending(connection, now - PENDING_FOR)
        if gone:
            events.record(connection, now, "subscribers", "forgot who never confirmed", {"count": gone})
    return gone


def _queue_within_limits(connection: Connection, kind: Kind, reader: Subscriber, now: datetime) -> bool:
    """Whether a mail that somebody asked for was queued. Two at once meet in the ledger: it takes one a day."""
    if any(count_mails(connection, kind, reader.key, now - period) >= most for period, most in MAIL_LIMITS):
        return False
    today = now.astimezone(UTC).date()
    return queue_mail(connection, kind, today, reader.key, reader.id, due_at=now, now=now) is not None


def _record(connection: Connection, key: str, what: str, now: datetime, detail: dict[str, Any] | None = None) -> None:
    events.record(connection, now, event_subject(key), what, detail or {})


def _changed(before: Preferences, after: Preferences) -> list[str]:
    return [name for name, value in asdict(after).items() if value != getattr(before, name)]
