"""At the cut: what readers said of papers → how near the papers of the new issue are to what they liked.

Computed once an issue, in the process that cuts it, and kept with the issue: mail workers stay small, and a list can be
replayed with the very numbers that it was made with.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from digest.issues.profiles.profile import affinities, fit_space, profile_words
from digest.issues.profiles.store import PaperAffinities, add_leanings, opinionated, texts_of
from digest.papers.store import papers_with
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback, all_feedback

if TYPE_CHECKING:
    from digest.issues.profiles.space import Space

_PAPERS = 4_000  # of the archive: enough to tell common words from telling ones (docs/interests.md)
_AT_ONCE = 1_000  # readers
_LATEST = 20  # liked papers of one reader that a paper may be said to be like
_FAINT = 0.05  # what is less near is not kept
_LIKE = 0.35  # from here on a paper may be said to be like another: the median of those that readers kept


def keep_tastes(connection: Connection, issue_id: int, paper_ids: Sequence[str], now: datetime) -> None:
    """Compute and keep what readers' opinions mean for the papers of an issue. Without opinions this costs nothing."""
    said = {
        reader: leant
        for reader, opinions in _all_opinions(connection).items()
        if (leant := [one for one in opinions if one.kind is not FeedbackKind.READ])
    }
    if not said or not paper_ids:
        return
    spoken_of = {one.paper_id for opinions in said.values() for one in opinions}
    space = fit_space(texts_of(connection, spoken_of | set(paper_ids), _PAPERS))
    pool, readers = list(paper_ids), list(said)
    titles = {paper_id: paper.title for paper_id, paper in papers_with(connection, sorted(spoken_of)).items()}
    for start in range(0, len(readers), _AT_ONCE):
        some = {reader: said[reader] for reader in readers[start : start + _AT_ONCE]}
        add_leanings(connection, issue_id, _leanings(space, some, pool, titles, now))


def _leanings(
    space: "Space",
    said: Mapping[int, Sequence[PaperFeedback]],
    pool: list[str],
    titles: Mapping[str, str],
    now: datetime,
) -> dict[int, PaperAffinities]:
    scores = affinities(space, list(said.values()), [pool] * len(said), now)
    found: dict[int, PaperAffinities] = {}
    for (reader, opinions), values in zip(said.items(), scores, strict=True):
        liked = [one for one in opinions if one.kind is FeedbackKind.MORE and one.paper_id in titles][-_LATEST:]
        near = affinities(space, [[one] for one in liked], [pool] * len(liked), now)
        kin = _kin(pool, [(titles[one.paper_id], like) for one, like in zip(liked, near, strict=True)])
        kept = {paper: round(value, 4) for paper, value in zip(pool, values, strict=True) if abs(value) >= _FAINT}
        found[reader] = PaperAffinities(kept, kin, profile_words(space, opinions, now))
    return found


def _all_opinions(connection: Connection) -> Mapping[int, Sequence[PaperFeedback]]:
    readers = opinionated(connection)
    found: dict[int, Sequence[PaperFeedback]] = {}
    for start in range(0, len(readers), _AT_ONCE):
        found |= all_feedback(connection, readers[start : start + _AT_ONCE])
    return found


def _kin(pool: Sequence[str], liked: Sequence[tuple[str, Sequence[float]]]) -> dict[str, str]:
    """For each paper that is like one of the `liked`, the title of the one that is most like it."""
    kin: dict[str, str] = {}
    for place, paper in enumerate(pool):
        best, title = max(((near[place], title) for title, near in liked), default=(0.0, ""))
        if best >= _LIKE:
            kin[paper] = title
    return kin
