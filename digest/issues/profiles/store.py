"""SQL for spaces, and for subscribers' profiles in them.

A space is in use once every profile was computed in it (`ready_at`); a newer one that is not ready yet is coming.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from digest.database.dialect import in_list, insert_new, lock_rows_of
from digest.database.tables import (
    issues,
    library_entries,
    opinions,
    profiles,
    spaces,
    stale_profiles,
    subscribers,
)
from digest.ledger.kinds import Status
from digest.subscribers.paper_feedback import IN_LIBRARY, FeedbackKind


@dataclass(frozen=True, slots=True)
class StoredSpace:
    """A space without its content."""

    id: int
    fitted_at: datetime
    papers: int  # in the archive when it was fitted
    ready_at: datetime | None


@dataclass(frozen=True, slots=True)
class Profile:
    """One subscriber's profile in one space."""

    weights: bytes  # as issues/profiles/discriminant.py packs them
    liked: Sequence[str]  # papers
    shares: bytes  # of each in the weights: float32
    words: Sequence[str] = ()  # the strongest
    from_library: int = 0  # how many of the liked papers, the first, are from their library


# --- spaces ---


def spaces_in_use(connection: Connection) -> list[StoredSpace]:
    """Return the newest space that is ready, if any, and those that are coming, oldest first."""
    newest = select(func.max(spaces.c.id)).where(spaces.c.ready_at.is_not(None)).scalar_subquery()
    columns = (spaces.c.id, spaces.c.fitted_at, spaces.c.papers, spaces.c.ready_at)
    rows = connection.execute(select(*columns).where(spaces.c.id >= func.coalesce(newest, 0)).order_by(spaces.c.id))
    return [StoredSpace(*row) for row in rows]


def lock_spaces(connection: Connection) -> set[int]:
    """Return the ids of the spaces in use and coming; none is added until the transaction ends."""
    locked = select(spaces.c.id).with_for_update(read=True, key_share=True)
    connection.execute(locked)
    return {space.id for space in spaces_in_use(connection)}


def ready_space(connection: Connection) -> int | None:
    """Return the id of the newest space that is ready."""
    space_id: int | None = connection.scalar(select(func.max(spaces.c.id)).where(spaces.c.ready_at.is_not(None)))
    return space_id


def add_space(connection: Connection, fitted_at: datetime, papers: int, spectrum: bytes, content: bytes) -> int:
    """Store a space, and let every profile be computed in it."""
    # Of two jobs, one that does not know it must not settle what this lets compute. First of all, since two that have
    # changed the table would wait for each other.
    lock_rows_of(connection, spaces)
    row = {"fitted_at": fitted_at, "papers": papers, "spectrum": spectrum, "content": content}
    space_id: int = connection.execute(insert(spaces).values(row).returning(spaces.c.id)).scalar_one()
    rated = select(opinions.c.subscriber_id).where(_tells_something())
    everyone = rated.union(select(library_entries.c.subscriber_id).where(IN_LIBRARY))
    connection.execute(insert_new(connection, stale_profiles).from_select(["subscriber_id"], everyone))
    return space_id


def content_of(connection: Connection, space_id: int) -> bytes:
    """Read a whole space, which takes a moment: some ten megabytes."""
    content: bytes = connection.execute(select(spaces.c.content).where(spaces.c.id == space_id)).scalar_one()
    return content


def spectrum_of(connection: Connection, space_id: int) -> bytes | None:
    """Read what computing profiles needs of a space; None once it was deleted."""
    return connection.scalar(select(spaces.c.spectrum).where(spaces.c.id == space_id))


def is_kept(connection: Connection, space_id: int) -> bool:
    return bool(connection.scalar(select(select(spaces.c.id).where(spaces.c.id == space_id).exists())))


def set_ready(connection: Connection, space_id: int, now: datetime) -> bool:
    """Let the next issues use a space, unless a profile is missing in it still."""
    computed = exists().where(
        profiles.c.space_id == space_id, profiles.c.subscriber_id == stale_profiles.c.subscriber_id
    )
    if connection.scalar(select(_of_confirmed(~computed).exists())):
        return False
    change = update(spaces).where(spaces.c.id == space_id, spaces.c.ready_at.is_(None))
    return connection.execute(change.values(ready_at=now)).rowcount == 1


def set_outdated(connection: Connection, space_id: int) -> None:
    """Let another space be fitted as soon as possible, as if this one had been fitted on no paper."""
    connection.execute(update(spaces).where(spaces.c.id == space_id).values(papers=0))


def drop_old_spaces(connection: Connection, in_use: int, spaces_since: datetime, profiles_since: datetime) -> None:
    """Delete the spaces before `in_use` that no issue cut since then has, and before them their profiles."""
    with_issue = select(issues.c.space_id).where(issues.c.space_id.is_not(None))
    unused = spaces.c.id.not_in(with_issue.where(issues.c.cut_at >= spaces_since))
    connection.execute(delete(spaces).where(spaces.c.id < in_use, spaces.c.fitted_at < spaces_since, unused))
    idle = profiles.c.space_id.not_in(with_issue.where(issues.c.cut_at >= profiles_since))
    connection.execute(delete(profiles).where(profiles.c.space_id < in_use, idle))


# --- profiles ---


def has_telling_feedback(connection: Connection) -> bool:
    """Return whether a subscriber has said what they want more or less of, or has brought a library."""
    rated = (select(opinions.c.paper_id).where(_tells_something()), select(library_entries.c.id).where(IN_LIBRARY))
    return any(connection.scalar(select(query.exists())) for query in rated)


def stale_subscribers(connection: Connection, after: int, limit: int) -> list[int]:
    """Return confirmed subscribers whose profile must be computed, in order of their ids, from above `after`."""
    waiting = _of_confirmed(stale_profiles.c.subscriber_id > after)
    return list(connection.scalars(waiting.order_by(stale_profiles.c.subscriber_id).limit(limit)))


def lock_subscribers(connection: Connection, subscriber_ids: Collection[int]) -> set[int]:
    """Keep these subscribers from changing their feedback until the transaction ends; deleted ones are omitted."""
    query = select(subscribers.c.id).where(in_list(connection, subscribers.c.id, subscriber_ids))
    # The order keeps two schedulers from waiting for each other; key_share lets an issue be cut meanwhile.
    return set(connection.scalars(query.order_by(subscribers.c.id).with_for_update(key_share=True)))


def keep_profiles(
    connection: Connection, space_id: int, subscriber_ids: Collection[int], new: Mapping[int, Profile], now: datetime
) -> None:
    """Replace the profiles of these subscribers in a space; who has no new one has none afterwards."""
    theirs = in_list(connection, profiles.c.subscriber_id, subscriber_ids)
    connection.execute(delete(profiles).where(profiles.c.space_id == space_id, theirs))
    rows = [
        asdict(profile)
        | {"space_id": space_id, "subscriber_id": subscriber_id, "computed_at": now}
        | {"liked": "\n".join(profile.liked)}
        for subscriber_id, profile in sorted(new.items())
    ]
    if rows:
        connection.execute(insert(profiles), rows)


def no_longer_stale(connection: Connection, subscriber_ids: Collection[int]) -> None:
    connection.execute(
        delete(stale_profiles).where(in_list(connection, stale_profiles.c.subscriber_id, subscriber_ids))
    )


def profiles_of(connection: Connection, space_id: int, subscriber_ids: Collection[int]) -> dict[int, Profile]:
    """Return the profiles of subscribers in a space, without their words; who has none is omitted."""
    columns = (profiles.c.weights, profiles.c.liked, profiles.c.shares, profiles.c.from_library)
    query = select(profiles.c.subscriber_id, *columns)
    query = query.where(profiles.c.space_id == space_id, in_list(connection, profiles.c.subscriber_id, subscriber_ids))
    return {
        subscriber_id: Profile(weights, liked.splitlines(), shares, from_library=from_library)
        for subscriber_id, weights, liked, shares, from_library in connection.execute(query)
    }


def newest_words(connection: Connection, subscriber_id: int) -> tuple[str, ...]:
    """Return the strongest words of a subscriber's profile; empty without one."""
    query = select(profiles.c.words).where(profiles.c.subscriber_id == subscriber_id)
    return tuple(connection.scalar(query.order_by(profiles.c.space_id.desc()).limit(1)) or ())


def stored_profiles(connection: Connection, subscriber_id: int) -> list[dict[str, Any]]:
    """Return everything stored about one subscriber's profile, oldest first, for their export."""
    query = select(profiles).where(profiles.c.subscriber_id == subscriber_id).order_by(profiles.c.space_id)
    return [
        row._asdict() | {"weights": row.weights.hex(), "liked": row.liked.splitlines(), "shares": row.shares.hex()}
        for row in connection.execute(query)
    ]


def _of_confirmed(condition: Any) -> Any:
    """Select the confirmed subscribers whose profile must be computed; others wait for the day that they confirm."""
    joined = select(stale_profiles.c.subscriber_id).join(
        subscribers, subscribers.c.id == stale_profiles.c.subscriber_id
    )
    return joined.where(subscribers.c.status == Status.CONFIRMED, condition)


def _tells_something() -> Any:
    return opinions.c.said != FeedbackKind.READ
