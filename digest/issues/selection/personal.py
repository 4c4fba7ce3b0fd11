"""Fills and orders the list of a subscriber with interests or feedback. Pure.

A list has papers of two kinds: the day's best, and the subscriber's own, which match what they follow or resemble what
they liked. Their balance decides how many of each.
"""

from collections.abc import Iterator, Sequence, Set
from itertools import islice
from typing import TYPE_CHECKING

from digest.issues.selection.diversity import NO_PENALTIES, Penalties, Stage, filled
from digest.issues.selection.interests import Interest, InterestKind, interests_of
from digest.issues.selection.picks import Pick
from digest.language import Language
from digest.subscribers.subscriber import Balance, Preferences

if TYPE_CHECKING:
    from digest.issues.selection.selection import Pool, PoolProfile

_SHORTLIST = 3  # diversity chooses among this many times the length of the list
FEWEST = 3  # papers worth an email
_HALF = 0.6  # of a list: a match is a guess, and about one in ten is off the subject
_TOP = 2  # of the day's best that are in every list with room for them
_NEVER_MISSED = (InterestKind.AUTHOR, InterestKind.LAB)


class PersonalList:
    """The list of one subscriber. Papers are numbered as in the pool."""

    def __init__(
        self,
        pool: "Pool",
        preferences: Preferences,
        profile: "PoolProfile",
        excluded: Set[int],
        best: Sequence[int],
        language: Language,
    ) -> None:
        """Takes what must not be in it, and by rank what the issue has for everyone."""
        self._pool = pool
        self._preferences = preferences
        self._profile = profile
        self._excluded = excluded
        self._best = best
        self._language = language
        self._count = preferences.papers
        self._keeps_order = preferences.balance is Balance.BEST and not pool.by_score  # the order of the issue
        self._matches, self._groups = pool.catalogue.matches_of(interests_of(preferences))
        self._never_missed: set[int] = set()
        for interests, papers in self._groups if not pool.by_score else ():
            if any(interest.kind in _NEVER_MISSED for interest in interests):
                self._never_missed.update(index for index in papers if index not in excluded)

    def picks(self) -> tuple[Pick, ...]:
        """The papers with their points and reasons."""
        chosen = self._chosen()
        outsider = self._outsider()
        if outsider is not None and all(index != outsider for index, _penalties in chosen):
            chosen = self._with_outsider(chosen, outsider)
        close = [index for index, _penalties in chosen if self._is_close(index)]
        neighbours = self._profile.neighbours(close) if close else {}
        return tuple(
            self._pick(index, penalties, neighbours.get(index, ""), index == outsider) for index, penalties in chosen
        )

    def is_urgent(self) -> bool:
        """True if a paper that they must not miss leaves the pool before their next issue."""
        days = sorted(self._preferences.weekdays)
        longest = max((after - day - 1) % 7 + 1 for day, after in zip(days, (*days[1:], days[0]), strict=True))
        return any(self._pool.days_left(index) < longest for index in self._never_missed)

    # --- which papers ---

    def _chosen(self) -> list[tuple[int, Penalties]]:
        """In order."""
        if self._keeps_order:
            return [(index, NO_PENALTIES) for index in sorted(filled(self._stages()))]
        diversity, followed = self._pool.diversity, self._of_followed_labs()
        stages = [Stage(self._by_score(), self._count)] if self._pool.by_score else self._stages()
        members = [(-self._score(index), index) for index in diversity.choose(stages, followed)]
        return diversity.in_order([(-negative, index) for negative, index in sorted(members)], followed)

    def _stages(self) -> list[Stage]:
        """The steps that fill a list: what they must not miss, the top of the day, their own, the day's best."""
        count, share, points = self._count, self._share(), self._own()
        own = sorted(sorted(points), key=points.__getitem__, reverse=True)  # the best match first, then by rank
        never_missed = [(points[index], index) for index in own if index in self._never_missed]
        shortlist = [(points[index], index) for index in own[: count * _SHORTLIST]]
        best = self._best_fresh(count * _SHORTLIST)
        top = best[: self._top()]
        others = sum(index not in self._never_missed for _score, index in top)
        until = min(max(share, len(never_missed)) + others, count)
        # A thin day adds no further matches to a mix: what is left of their interests by then is filler, too.
        most = count if self._is_mostly_own() else min(max(share, FEWEST) if share else 0, count)
        return [
            Stage(never_missed, count),
            Stage(top, count),
            Stage(shortlist, until),
            Stage(best, count),
            Stage(shortlist, most),
        ]

    def _share(self) -> int:
        """The number of papers of their own, next to the top of the day."""
        if self._preferences.balance is Balance.BEST:
            return 0
        return max(self._count - 1 if self._is_mostly_own() else round(_HALF * self._count), 1)

    def _is_mostly_own(self) -> bool:
        balance = self._preferences.balance
        return balance is Balance.MINE or (balance is Balance.BOTH and not self._pool.has_votes)

    def _top(self) -> int:
        """The number of the day's best that are always in the list."""
        return min(_TOP, self._count - self._share())

    def _own(self) -> dict[int, int]:
        """Points of the papers that match, by index: all that may be in the list."""
        affinity, excluded, most = self._profile.affinity, self._excluded, self._count * _SHORTLIST
        own = {index: affinity[index] for index in islice(self._close(), most)}
        for interests, papers in self._groups:
            fresh = [index for index in papers if index not in excluded]
            if len(fresh) > most and fresh[0] not in self._never_missed:
                fresh = sorted(fresh, key=affinity.__getitem__, reverse=True)[:most] if affinity else fresh[:most]
            points = self._pool.boost(interests)[0]
            own |= {index: points + affinity[index] for index in fresh} if affinity else dict.fromkeys(fresh, points)
        return own

    def _close(self) -> Iterator[int]:
        """The papers that resemble what they liked, the closest first, and match nothing that they follow."""
        for index in self._profile.closest:
            if index not in self._excluded and index not in self._matches and self._is_close(index):
                yield index

    def _best_fresh(self, count: int) -> list[tuple[int, int]]:
        fresh = (index for index in self._best if index not in self._excluded)
        return [(self._pool.rank_points[index][1], index) for index in islice(fresh, count)]

    def _by_score(self) -> list[tuple[int, int]]:
        """The papers with the best scores, whatever kind they are of, as earlier versions chose them."""
        rest = [index for index in self._best if index not in self._matches and index not in self._excluded]
        if not self._profile.affinity:  # then only the first few of the others can be in the list
            rest = rest[: self._count * (_SHORTLIST - 1)]
        matching = (index for index in self._matches if index not in self._excluded)
        best = sorted((-self._score(index), index) for index in (*matching, *rest))
        return [(-negative, index) for negative, index in best[: self._count * _SHORTLIST]]

    def _of_followed_labs(self) -> Set[int]:
        labs, matches = self._preferences.labs, self._pool.catalogue.matches
        return {index for lab in labs for index in matches(Interest(InterestKind.LAB, lab))}

    # --- one from outside ---

    def _outsider(self) -> int | None:
        """The day's best paper that neither matches an interest nor resembles a liked paper; None if not wanted."""
        if not self._preferences.surprise or self._count == 1 or self._keeps_order:
            return None
        if all(index in self._excluded for index in self._matches):
            return None
        near = self._profile.closest if self._pool.by_score else ()
        outside = (index for index in self._best if index not in self._matches and index not in self._excluded)
        far = (index for index in outside if not self._is_close(index))
        return next((index for index in far if index not in near), None)

    def _with_outsider(self, chosen: list[tuple[int, Penalties]], outsider: int) -> list[tuple[int, Penalties]]:
        """The list with a paper from outside at its end, for the last one that may give way."""
        if len(chosen) < self._count:
            return [*chosen, (outsider, NO_PENALTIES)]
        kept = set() if self._pool.by_score else {index for _points, index in self._best_fresh(self._top())}
        kept |= self._never_missed
        last = next((pair for pair in reversed(chosen) if pair[0] not in kept), None)
        return [*(pair for pair in chosen if pair is not last), (outsider, NO_PENALTIES)] if last else chosen

    # --- points and reasons ---

    def _affinity(self, index: int) -> int:
        return int(self._profile.affinity[index]) if self._profile.affinity else 0

    def _is_close(self, index: int) -> bool:
        return self._pool.is_close(self._affinity(index))

    def _match(self, index: int) -> int:
        """The points of a match, without those of the rank."""
        return self._pool.boost(self._matches.get(index, ()))[0] + self._affinity(index)

    def _score(self, index: int) -> int:
        """The score before diversity."""
        return self._pool.rank_points[index][1] + self._match(index)

    def _pick(self, index: int, penalties: Penalties, neighbour: str, surprise: bool) -> Pick:
        pool, interests, language = self._pool, self._matches.get(index, ()), self._language
        if self._profile.affinity:  # almost never the same for two subscribers, so not cached
            pick = pool.new_pick(index, interests, language, self._affinity(index), neighbour)
        else:
            pick = pool.pick(index, interests, language)
        if self._keeps_order:
            pick = pick._replace(points=pick.points[:1])
        if surprise:
            pick = pick._replace(why=pool.outside(language))
        if any(penalties):
            costs = [(name, -cost) for name, cost in penalties._asdict().items() if cost]
            pick = pick._replace(points=(*pick.points, *costs))
        return pick
