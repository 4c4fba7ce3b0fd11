"""At the cut: subscribers' feedback → how similar the papers of the new issue are to those they liked.

Computed once per issue, in the process that cuts it, and kept with the issue. So delivery workers stay small, and a
list can be replayed with the numbers that it was made with.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from digest.issues.profiles.profile import affinities, fit_space, profile_words
from digest.issues.profiles.store import PaperAffinities, keep_affinities, subscribers_with_feedback, texts_of
from digest.papers.store import papers_with
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback, all_feedback

if TYPE_CHECKING:
    from digest.issues.profiles.space import Space

_PAPERS = 4_000  # of the archive: enough to tell common words from telling ones (docs/interests.md)
_AT_ONCE = 1_000  # subscribers
_LATEST = 20  # liked papers of one subscriber that can be named as neighbours
_FAINT = 0.05  # affinities below this are not kept
_NEIGHBOUR = 0.35  # similarity from which a liked paper is named: the median of papers that subscribers kept


def keep_profiles(connection: Connection, issue_id: int, paper_ids: Sequence[str], now: datetime) -> None:
    """Compute and keep what feedback means for the papers of an issue. Without feedback this costs nothing."""
    feedback = _telling_feedback(connection)
    if not feedback or not paper_ids:
        return
    rated = {item.paper_id for given in feedback.values() for item in given}
    texts = texts_of(connection, rated | set(paper_ids), _PAPERS)
    space = fit_space(texts)
    titles = {paper_id: paper.title for paper_id, paper in papers_with(connection, sorted(rated)).items()}
    pool, subscriber_ids = list(paper_ids), list(feedback)
    for start in range(0, len(subscriber_ids), _AT_ONCE):
        some = {subscriber_id: feedback[subscriber_id] for subscriber_id in subscriber_ids[start : start + _AT_ONCE]}
        keep_affinities(connection, issue_id, _affinities(space, some, pool, titles, texts, now))


def _affinities(
    space: "Space",
    feedback: Mapping[int, Sequence[PaperFeedback]],
    pool: list[str],
    titles: Mapping[str, str],
    texts: Mapping[str, str],
    now: datetime,
) -> dict[int, PaperAffinities]:
    scores = affinities(space, list(feedback.values()), [pool] * len(feedback), now)
    computed: dict[int, PaperAffinities] = {}
    for (subscriber_id, given), values in zip(feedback.items(), scores, strict=True):
        liked = [item for item in given if item.kind is FeedbackKind.MORE and item.paper_id in titles][-_LATEST:]
        similarities = affinities(space, [[item] for item in liked], [pool] * len(liked), now)
        by_title = [(titles[item.paper_id], near) for item, near in zip(liked, similarities, strict=True)]
        kept = {paper: round(value, 4) for paper, value in zip(pool, values, strict=True) if abs(value) >= _FAINT}
        words = profile_words(space, texts, given, now)
        computed[subscriber_id] = PaperAffinities(kept, _neighbours(pool, by_title), words)
    return computed


def _telling_feedback(connection: Connection) -> Mapping[int, Sequence[PaperFeedback]]:
    """Return the feedback that says something about interests, by subscriber."""
    subscriber_ids = subscribers_with_feedback(connection)
    batches = (subscriber_ids[start : start + _AT_ONCE] for start in range(0, len(subscriber_ids), _AT_ONCE))
    feedback = {
        subscriber_id: [item for item in given if item.kind is not FeedbackKind.READ]
        for batch in batches
        for subscriber_id, given in all_feedback(connection, batch).items()
    }
    return {subscriber_id: telling for subscriber_id, telling in feedback.items() if telling}


def _neighbours(pool: Sequence[str], liked: Sequence[tuple[str, Sequence[float]]]) -> dict[str, str]:
    """Return the title of the most similar liked paper for each paper that resembles one."""
    neighbours: dict[str, str] = {}
    for index, paper in enumerate(pool):
        best, title = max(((near[index], title) for title, near in liked), default=(0.0, ""))
        if best >= _NEIGHBOUR:
            neighbours[paper] = title
    return neighbours
