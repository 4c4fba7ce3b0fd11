"""Is a source fresh, quiet, stale, partial or failing? Judged from what it listed, what it listed before, and what was
to be expected of the day. Pure: values in, a word and a sentence out.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from statistics import median

from digest.language import Message, _
from digest.papers.collecting.announcement_calendar import Expected, expected
from digest.papers.collecting.collection import Collected, ListFacts, SourceHealth, name_of
from digest.papers.paper import Paper
from digest.papers.sources.source import SourceResult

SAMPLE = 20  # ids of a list that are kept to tell it from the next one
_A_LIST = 5  # papers; fewer do not make a list that could be compared
_THE_SAME = 0.8  # of the list before: it is the same list (two Hugging Face lists of 521 in a row shared nothing)
_ENOUGH_DAYS = 5  # of history before counts are compared
_THIN = 4  # times fewer papers than usual; 9 of 521 Hugging Face lists, most of them after US holidays
_BIG_CATEGORY = 10  # papers a day; in a smaller one a day without any is nothing odd
_LOST_TOUCH = timedelta(hours=24)  # since the last reading


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of a source's earlier lists, each as it stood at this hour of its own day."""

    same_day: Collected | None = None  # the last usable run for the same day
    counts: Sequence[int] = ()  # papers of the earlier days that had some, newest first
    facts: Sequence[ListFacts] = ()  # of those days, newest first


@dataclass(frozen=True, slots=True)
class Judgement:
    """The state of a source, in a word and in words for the operator."""

    outcome: SourceHealth
    message: str
    facts: ListFacts = field(default_factory=ListFacts)
    papers: int = 0


def judge(source: str, day: date, now: datetime, findings: SourceResult, before: Before) -> Judgement:
    """How the run went that brought `findings` for the list of `day` at `now`."""
    facts, papers = facts_of(findings), len(findings.papers)
    if findings.unchanged and before.same_day:
        kept = before.same_day
        facts = ListFacts(kept.facts.dated, kept.facts.newest, kept.facts.sample, kept.facts.categories, unchanged=True)
        papers = kept.papers
    lacking = _lacking(findings)
    if lacking:
        return Judgement(SourceHealth.PARTIAL, "; ".join([_listed(papers), *lacking]), facts, papers)
    if not papers and findings.votes:
        return Judgement(SourceHealth.FRESH, f"votes of {_counted(len(findings.votes), 'paper')}", facts)
    today = expected(source, day)
    outcome, problem = _compared(day, now, papers, facts, before, today)
    if papers:
        unchanged = "nothing changed since it was last read" if facts.unchanged else ""
        return Judgement(outcome, "; ".join(filter(None, [_listed(papers), unchanged, problem])), facts, papers)
    return Judgement(outcome, problem, facts)


def facts_of(findings: SourceResult) -> ListFacts:
    """What is worth keeping of a list to compare the next one with."""
    ids = [paper.id for paper in findings.papers]
    first = Counter(paper.categories[0] for paper in findings.papers if paper.categories)
    return ListFacts(
        dated=findings.dated,
        newest=max((one for one in ids if one[:1].isdigit()), default=""),
        sample=sample_of(ids),
        categories=dict(first.most_common(12)),
        unchanged=findings.unchanged,
    )


def sample_of(ids: Sequence[str]) -> tuple[str, ...]:
    """Twenty ids of a list, chosen by their hashes: a fair sample, and of the same list always the same one."""
    return tuple(sorted(set(ids), key=lambda one: sha256(one.encode()).digest())[:SAMPLE])


def overlap(earlier: ListFacts, papers: Sequence[Paper] | Sequence[str]) -> float:
    """The share of an earlier list that this one lists again, estimated from the earlier one's sample; 0 to 1."""
    listed = {one if isinstance(one, str) else one.id for one in papers}
    return sum(one in listed for one in earlier.sample) / len(earlier.sample) if earlier.sample else 0.0


def told_to_readers(runs: Sequence[Collected], now: datetime, thin: bool) -> list[Message]:
    """Why an issue cut at `now` may lack papers, in a sentence a reason; of quiet days only when it is `thin`."""
    names: dict[tuple[SourceHealth, str], list[str]] = {}
    for run in runs:
        names.setdefault(_wrong(run, now, thin), []).append(name_of(run.source))
    return [said for wrong, several in names.items() for said in _to_readers(*wrong, several)]


def lost_touch(run: Collected, now: datetime) -> bool:
    """Whether the last reading is so long ago that it says nothing of today."""
    return now - run.started_at > _LOST_TOUCH


def _lacking(findings: SourceResult) -> list[str]:
    skipped = len(findings.unreadable)
    problems = [f"{_counted(skipped, 'record')} could not be read"] if skipped else []
    return [*problems, *filter(None, [findings.incomplete])]


def _compared(
    day: date, now: datetime, papers: int, facts: ListFacts, before: Before, today: Expected
) -> tuple[SourceHealth, str]:
    """The list against the calendar and against the lists before."""
    last = before.facts[0] if before.facts else None
    is_current = day == now.date()
    if facts.dated and facts.dated < day and not today.why_none and is_current:
        return _late(now, today, f"the list is still that of {facts.dated:%A}, {facts.dated:%Y-%m-%d}")
    if not papers:
        return _empty(now, today, facts)
    if is_current and last and papers >= _A_LIST:
        if _same_list(last, facts):
            return _late(now, today, "the list is still that of the day before")
        if today.ids_grow and facts.newest and facts.newest <= last.newest:
            return _late(now, today, f"nothing on the list is newer than {last.newest} of the day before")
    if is_current and not today.short and today.by and now >= today.by:
        thin = "; ".join(_thin(papers, facts, before))
        if thin:
            return SourceHealth.PARTIAL, thin
    return SourceHealth.FRESH, ""


def _late(now: datetime, today: Expected, said: str) -> tuple[SourceHealth, str]:
    if today.by and now < today.by:
        return SourceHealth.QUIET, f"{said}; the next is expected by {today.by:%H:%M} UTC"
    return SourceHealth.STALE, f"{said}; late papers come tomorrow"


def _empty(now: datetime, today: Expected, facts: ListFacts) -> tuple[SourceHealth, str]:
    if today.why_none:
        return SourceHealth.QUIET, f"nothing was announced ({today.why_none})"
    if today.by is None:
        return SourceHealth.QUIET, "nothing changed since it was last read" if facts.unchanged else "nothing was listed"
    if now < today.by:
        return SourceHealth.QUIET, f"nothing is listed yet; it is expected by {today.by:%H:%M} UTC"
    if facts.unchanged:
        return SourceHealth.STALE, "nothing changed since the day before; late papers come tomorrow"
    return SourceHealth.STALE, f"nothing was listed, though it was expected by {today.by:%H:%M} UTC"


def _same_list(last: ListFacts, facts: ListFacts) -> bool:
    """Most of the sample of the one is in the sample of the other: samples of equal lists are equal."""
    return bool(last.sample) and overlap(last, facts.sample) >= _THE_SAME


def _thin(papers: int, facts: ListFacts, before: Before) -> Iterator[str]:
    if len(before.counts) < _ENOUGH_DAYS:
        return
    usual = median(before.counts)
    if papers < usual / _THIN:
        yield f"usually {usual:.0f} by this time of day"
    for category in sorted(_usual_categories(before.facts) - set(facts.categories)):
        yield f"nothing of {category}"


def _usual_categories(facts: Sequence[ListFacts]) -> set[str]:
    """Categories with many papers on most days, where the source tells of categories at all."""
    told = [one.categories for one in facts if one.categories]
    if len(told) < _ENOUGH_DAYS:
        return set()
    names = {name for categories in told for name in categories}
    return {name for name in names if median(_counts(told, name)) >= _BIG_CATEGORY}


def _counts(told: Sequence[Mapping[str, int]], name: str) -> list[int]:
    return [categories.get(name, 0) for categories in told]


def _wrong(run: Collected, now: datetime, thin: bool) -> tuple[SourceHealth, str]:
    """What is worth telling of a run, and of a quiet one why; FRESH for nothing."""
    if run.outcome is SourceHealth.FAILING or lost_touch(run, now):
        return SourceHealth.FAILING, ""
    if run.outcome is SourceHealth.QUIET:
        why_none = expected(run.source, run.day).why_none
        return (SourceHealth.QUIET, why_none) if thin and why_none else (SourceHealth.FRESH, "")
    return run.outcome, ""


def _to_readers(outcome: SourceHealth, why: str, sources: Sequence[str]) -> Iterator[Message]:
    match outcome:
        case SourceHealth.FAILING:
            yield _(
                "We couldn’t read %(sources)s when we made this issue. Anything missing will appear in a later one.",
                sources=sources,
            )
        case SourceHealth.STALE:
            yield _(
                "%(sources)s had no new list when we made this issue. Late papers will appear in the next one.",
                sources=sources,
            )
        case SourceHealth.PARTIAL:
            yield _(
                "We got only part of the list from %(sources)s when we made this issue. The rest will"
                " appear in a later one.",
                sources=sources,
            )
        case SourceHealth.QUIET:
            yield _("No new papers from %(sources)s (%(why)s).", sources=sources, why=why)


def _listed(papers: int) -> str:
    return f"{_counted(papers, 'paper')} listed"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
