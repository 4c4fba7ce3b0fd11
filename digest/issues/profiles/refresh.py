"""The background jobs behind profiles: fit a space of papers, place papers in it, and compute profiles.

Two schedulers may run them at once: both compute the same. No transaction is open while anything is computed; one that
writes profiles locks their subscribers and checks that their feedback is still the same. A new space is used once it
holds every profile. Until then, and when a fit fails, issues use the last.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, Engine

from digest.database.engine import problem_of, read_only, transaction
from digest.issues.profiles import positions, store
from digest.issues.profiles.positions import PaperText
from digest.issues.profiles.store import Profile, StoredSpace
from digest.subscribers.paper_feedback import PaperFeedback, likes_and_dislikes

if TYPE_CHECKING:
    from digest.issues.profiles.space import Halved, Matrix, Space

log = structlog.get_logger()

NEEDED_DAYS = 31  # papers that surfaced within so many days have a position: as many as any issue lists, and one
_REFIT = timedelta(days=7)
_GROWTH = 1.5  # times the papers of the last fit: a young archive is fitted more often
_TAUGHT = 30_000  # papers of the archive that a space is fitted on at most, the newest
_SUBSCRIBERS, _PAPERS = 500, 1_000  # that are computed, or placed, in one transaction
_SPACES_KEPT, _PROFILES_KEPT = timedelta(days=8), timedelta(days=2)  # after the last issue that used them


def renew_space(engine: Engine, now: datetime) -> bool:
    """Fit a space of the archive's papers if there is feedback and the last space no longer serves.

    If that fails, the last space stays in use.
    """
    with read_only(engine) as connection:
        papers = positions.count_papers(connection)
        if not store.has_telling_feedback(connection) or not _is_due(store.spaces_in_use(connection), papers, now):
            return False
        texts = positions.newest_texts(connection, _TAUGHT)
    try:
        spectrum, content, vectors = _fitted(texts)
    except (ValueError, MemoryError) as problem:  # of the numerics; what else fails is a fault of the code
        log.error("no space was fitted; the last stays in use", papers=len(texts), problem=problem_of(problem))
        return False
    with transaction(engine) as connection:
        space_id = store.add_space(connection, now, papers, spectrum, content)
    del content  # some ten megabytes
    _keep_vectors(engine, space_id, texts, vectors)
    return True


def _fitted(texts: Mapping[str, PaperText]) -> tuple[bytes, bytes, dict[str, bytes]]:
    """Return the spectrum and content of a new space, and the vectors of its papers, all as they are stored.

    Of the vectors and their packed form, and of the space and its content, only one is in memory for long.
    """
    from digest.issues.profiles.space import fit, to_bytes

    space = fit({paper_id: paper.text for paper_id, paper in texts.items()})
    vectors = _packed(list(space.rows), space.vectors)
    space = replace(space, vectors=space.vectors[:0].copy())
    return space.spectrum.astype("<f4").tobytes(), to_bytes(space), vectors


def _packed(paper_ids: Sequence[str], vectors: "Halved | Matrix") -> dict[str, bytes]:
    from digest.issues.profiles.discriminant import pack

    packed: dict[str, bytes] = {}
    for start in range(0, len(paper_ids), _PAPERS):
        some = slice(start, start + _PAPERS)
        packed |= zip(paper_ids[some], pack(vectors[some]), strict=True)
    return packed


def _is_due(in_use: Sequence[StoredSpace], papers: int, now: datetime) -> bool:
    if not papers or not in_use:
        return bool(papers)
    last = in_use[-1]
    return now - last.fitted_at >= _REFIT or min(papers, _TAUGHT) >= last.papers * _GROWTH


def refresh_profiles(engine: Engine, now: datetime) -> int:
    """Place papers, compute the profiles that are missing or stale, and return how many subscribers that concerned."""
    with read_only(engine) as connection:
        in_use = store.spaces_in_use(connection)
    if not in_use:
        return 0
    place_papers(engine, now)
    count = _compute(engine, in_use, now)
    with transaction(engine) as connection:
        ready = [space.id for space in in_use if space.ready_at or store.set_ready(connection, space.id, now)]
        if ready:
            store.drop_old_spaces(connection, ready[-1], now - _SPACES_KEPT, now - _PROFILES_KEPT)
    return count


def place_papers(engine: Engine, now: datetime) -> None:
    """Give a position to the papers that an issue or a profile needs. Without a space this costs nothing."""
    with read_only(engine) as connection:
        in_use = [space.id for space in store.spaces_in_use(connection)]
    for space_id in in_use:
        try:
            _place_in(engine, space_id, now)
        except (ValueError, MemoryError) as problem:  # no reason to cut no issue
            log.error(
                "papers cannot be placed in a space; another is fitted", space=space_id, problem=problem_of(problem)
            )
            with transaction(engine) as connection:
                store.set_outdated(connection, space_id)


def _place_in(engine: Engine, space_id: int, now: datetime) -> None:
    space = None
    while texts := _unplaced(engine, space_id, now):
        space = space or _read_space(engine, space_id)
        placed = space.place({id_: paper.text for id_, paper in texts.items()})
        _keep_vectors(engine, space_id, texts, _packed(list(texts), placed))


def _unplaced(engine: Engine, space_id: int, now: datetime) -> dict[str, PaperText]:
    with read_only(engine) as connection:
        return positions.unplaced_texts(connection, space_id, now - timedelta(days=NEEDED_DAYS), _PAPERS)


def _keep_vectors(engine: Engine, space_id: int, texts: Mapping[str, PaperText], vectors: Mapping[str, bytes]) -> None:
    """Store positions, a part in each transaction, so that nobody waits for long."""
    papers = list(vectors.items())
    for start in range(0, len(papers), _PAPERS):
        with transaction(engine) as connection:
            positions.keep_vectors(connection, space_id, texts, dict(papers[start : start + _PAPERS]))


def _read_space(engine: Engine, space_id: int) -> "Space":
    from digest.issues.profiles.space import from_bytes

    with read_only(engine) as connection:
        return from_bytes(store.content_of(connection, space_id))


def _compute(engine: Engine, in_use: Sequence[StoredSpace], now: datetime) -> int:
    """Compute the stale profiles in each space, some in each transaction, and return how many subscribers had one."""
    from digest.issues.profiles.compute import profiles_from

    newest = cache(lambda: _read_space(engine, in_use[-1].id))
    last = count = 0
    while feedback := _stale_feedback(engine, last):
        last, count = max(feedback), count + len(feedback)
        liked: dict[int, Sequence[str]] = {}
        computed = {}
        with read_only(engine) as connection:
            for space in in_use:
                computed[space.id] = profiles_from(connection, space.id, feedback)
                liked = {subscriber_id: profile.liked for subscriber_id, profile in computed[space.id].items()}
        words = _words(engine, newest, liked)
        with transaction(engine) as connection:
            _keep(connection, feedback, computed, words, now)
    return count


def _words(
    engine: Engine, newest: Callable[[], "Space"], liked: Mapping[int, Sequence[str]]
) -> Mapping[int, Sequence[str]]:
    from digest.issues.profiles.compute import strongest_words

    papers = {paper_id for theirs in liked.values() for paper_id in theirs}
    if not papers:
        return {}
    space = newest()
    with read_only(engine) as connection:
        texts = positions.texts_of(connection, papers - space.rows.keys())
    return strongest_words(space, texts, liked)


def _stale_feedback(engine: Engine, after: int) -> dict[int, tuple[PaperFeedback, ...]]:
    """Return the feedback of the next subscribers whose profile is stale; () of those who have deleted theirs."""
    with read_only(engine) as connection:
        subscriber_ids = store.stale_subscribers(connection, after, _SUBSCRIBERS)
        feedback = likes_and_dislikes(connection, subscriber_ids)
    return {subscriber_id: feedback.get(subscriber_id, ()) for subscriber_id in subscriber_ids}


def _keep(
    connection: Connection,
    feedback: Mapping[int, Sequence[PaperFeedback]],
    computed: Mapping[int, Mapping[int, Profile]],
    words: Mapping[int, Sequence[str]],
    now: datetime,
) -> None:
    """Store what was computed from `feedback`. Subscribers who have changed theirs since stay stale, and all of them do
    if there is a space by now that they were not computed in.
    """
    is_complete = store.lock_spaces(connection) <= computed.keys()
    still_there = store.lock_subscribers(connection, feedback)
    latest = likes_and_dislikes(connection, still_there)
    same = {subscriber_id for subscriber_id in still_there if latest.get(subscriber_id, ()) == feedback[subscriber_id]}
    for space_id, profiles in computed.items():
        new = {
            subscriber_id: replace(profile, words=words.get(subscriber_id, ()))
            for subscriber_id, profile in profiles.items()
            if subscriber_id in same
        }
        store.keep_profiles(connection, space_id, same, new, now)
    if is_complete:
        store.no_longer_stale(connection, same)
