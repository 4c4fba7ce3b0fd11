"""Subscribers' feedback → their profiles in a space. It brings numpy: import it only where there is feedback."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection

from digest.issues.profiles.discriminant import Matrix, discriminants, pack, unpack
from digest.issues.profiles.positions import vectors_of
from digest.issues.profiles.profile import freshness
from digest.issues.profiles.store import Profile, spectrum_of
from digest.papers.search.tokenizer import STOPS, stem
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback

if TYPE_CHECKING:
    from digest.issues.profiles.space import Space

_WORDS = 12
_NOWHERE = bytes(4)  # how the vector of a text begins that has no word in common with another


def profiles_from(
    connection: Connection, space_id: int, feedback: Mapping[int, Sequence[PaperFeedback]]
) -> dict[int, Profile]:
    """Return the profiles of the subscribers who have rated papers of a space, without words.

    The same feedback gives the same bytes, whoever else is computed with it and however old it is.
    """
    rated = {item.paper_id for given in feedback.values() for item in given if item.kind is not FeedbackKind.READ}
    spectrum = spectrum_of(connection, space_id)
    if not rated or spectrum is None:
        return {}
    stored = vectors_of(connection, space_id, rated)
    placed = [paper_id for paper_id, vector in stored.items() if not vector.startswith(_NOWHERE)]
    rows = {paper_id: row for row, paper_id in enumerate(placed)}
    counting = {subscriber_id: _counting(given, rows) for subscriber_id, given in feedback.items()}
    counting = {subscriber_id: fresh for subscriber_id, fresh in counting.items() if fresh}
    if not counting:
        return {}
    matrix = unpack([stored[paper_id] for paper_id in placed])
    weights, shares = discriminants(
        [matrix[[rows[paper_id] for paper_id in fresh]] for fresh in counting.values()],
        [np.fromiter(fresh.values(), np.float32) for fresh in counting.values()],
        np.frombuffer(spectrum, "<f4"),
    )
    computed = {}
    for (subscriber_id, fresh), packed, own in zip(counting.items(), pack(weights), shares, strict=True):
        liked = [paper_id for paper_id in fresh if fresh[paper_id] > 0]
        owned = {item.paper_id for item in feedback[subscriber_id] if item.from_library}
        from_library = sum(paper_id in owned for paper_id in liked)
        computed[subscriber_id] = Profile(packed, liked, _liked_shares(fresh, own), from_library=from_library)
    return computed


def _counting(given: Sequence[PaperFeedback], rows: Mapping[str, int]) -> dict[str, float]:
    """Return how much each rated paper with a vector counts, as of the last feedback, so that age changes nothing."""
    last = max((item.at for item in given), default=None)
    fresh = freshness(given, last) if last else {}
    return {paper_id: counts for paper_id, counts in fresh.items() if paper_id in rows}


def _liked_shares(fresh: Mapping[str, float], shares: Matrix) -> bytes:
    return shares[[counts > 0 for counts in fresh.values()]].astype("<f4").tobytes()


def strongest_words(
    space: "Space", texts: Mapping[str, str], liked: Mapping[int, Sequence[str]]
) -> dict[int, list[str]]:
    """Return the words that weigh most in the papers that each subscriber likes, strongest first.

    `texts`: of papers that are not in the fit, whose words the space has.
    """
    from scipy import sparse

    fitted = [paper_id for paper_id in set().union(*liked.values()) if paper_id in space.rows]
    of_fitted = space.words[np.array([space.rows[paper_id] for paper_id in fitted], np.int32)]
    words_of_papers = sparse.vstack([of_fitted, space.lexicon.rows(texts.values())], format="csr")
    numbers = {paper_id: number for number, paper_id in enumerate([*fitted, *texts])}
    theirs = [[numbers[paper_id] for paper_id in papers if paper_id in numbers] for papers in liked.values()]
    ends = np.cumsum([0, *map(len, theirs)])
    columns = np.array([number for papers in theirs for number in papers], np.int32)
    parts = np.ones(len(columns), np.float32), columns, ends
    total = (sparse.csr_array(parts, shape=(len(theirs), len(numbers))) @ words_of_papers).tocsr()
    telling = np.array([stem(word) not in STOPS for word in space.lexicon.columns], np.float32)
    names = list(space.lexicon.columns)
    words = {}
    for number, subscriber_id in enumerate(liked):
        own = slice(total.indptr[number], total.indptr[number + 1])
        columns = total.indices[own]
        strongest = np.argsort(-total.data[own] * telling[columns], kind="stable")[:_WORDS]
        words[subscriber_id] = [names[column] for column in columns[strongest] if telling[column]]
    return words
