"""Rates one run of a source: fresh, quiet, stale, partial or failing, by its earlier lists and the calendar. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from statistics import median

from digest.language import Message, _
from digest.papers.collecting.runs import History, ListFacts, SourceHealth, SourceRun, source_title
from digest.papers.sources.announcement_calendar import Expected, expected
from digest.papers.sources.source import SourceResult

SAMPLE_SIZE = 20  # ids kept of a list, to tell it from the next
_COMPARABLE = 5  # papers; shorter lists are not compared
_SAME_LIST = 0.8  # of the list before; of 521 Hugging Face lists, no two in a row had a paper in common
_ENOUGH_DAYS = 5  # of history before counts are compared
_THIN = 4  # times fewer papers than usual; 9 of 521 Hugging Face lists, most of them after US holidays
_BIG_CATEGORY = 10  # papers a day; a smaller category may well have none on a given day
_OUT_OF_TOUCH = timedelta(hours=24)  # since the last run


def rate(source: str, day: date, now: datetime, result: SourceResult, history: History) -> SourceRun:
    """The run that brought `result` for the list of `day` at `now`."""
    run = SourceRun(
        source, day, now, SourceHealth.FRESH, len(result.papers), 0, tuple(result.unreadable), "", facts_of(result)
    )
    if result.unchanged and history.same_day:
        run = replace(run, facts=replace(history.same_day.facts, unchanged=True), papers=history.same_day.papers)
    listed = f"{_count(run.papers, 'paper')} listed"
    missing = [f"{_count(len(run.unreadable), 'record')} could not be read"] if run.unreadable else []
    missing += [result.incomplete] if result.incomplete else []
    if missing:
        return replace(run, outcome=SourceHealth.PARTIAL, message="; ".join([listed, *missing]))
    if not run.papers and result.votes:
        return replace(run, message=f"votes of {_count(len(result.votes), 'paper')}")
    outcome, problem = _compared(run, history.earlier, expected(source, day))
    if run.papers:
        unchanged = "nothing changed since it was last read" if run.facts.unchanged else ""
        problem = "; ".join(filter(None, [listed, unchanged, problem]))
    return replace(run, outcome=outcome, message=problem)


def facts_of(result: SourceResult) -> ListFacts:
    """The properties of a list that the next one is compared with."""
    ids = [paper.id for paper in result.papers]
    primary = Counter(paper.categories[0] for paper in result.papers if paper.categories)
    return ListFacts(
        dated=result.dated,
        newest=max((paper_id for paper_id in ids if paper_id[:1].isdigit()), default=""),
        sample=sample_of(ids),
        categories=dict(primary.most_common(12)),
        unchanged=result.unchanged,
    )


def sample_of(ids: Sequence[str]) -> tuple[str, ...]:
    """Twenty ids of a list, chosen by their hashes, so that equal lists have equal samples."""
    return tuple(sorted(set(ids), key=lambda paper_id: sha256(paper_id.encode()).digest())[:SAMPLE_SIZE])


def overlap(earlier: ListFacts, ids: Sequence[str]) -> float:
    """The share of an earlier list that is listed again, estimated from that list's sample; 0 to 1."""
    return len(set(earlier.sample) & set(ids)) / len(earlier.sample) if earlier.sample else 0.0


def source_notes(runs: Sequence[SourceRun], now: datetime, thin: bool) -> list[Message]:
    """Why an issue cut at `now` may lack papers, one sentence per reason. Quiet days count only for a `thin` issue."""
    titles: dict[tuple[SourceHealth, str], list[str]] = {}
    for run in runs:
        titles.setdefault(_problem(run, now, thin), []).append(source_title(run.source))
    return [note for problem, sources in titles.items() for note in _notes(*problem, sources)]


def lost_touch(run: SourceRun, now: datetime) -> bool:
    """True for a run too old to show how the source is today."""
    return now - run.started_at > _OUT_OF_TOUCH


def _compared(run: SourceRun, earlier: Sequence[SourceRun], today: Expected) -> tuple[SourceHealth, str]:
    """The list compared with the calendar and with the lists before."""
    facts, now, is_current = run.facts, run.started_at, run.day == run.started_at.date()
    if facts.dated and facts.dated < run.day and not today.why_none and is_current:
        return _late(now, today, f"the list is still that of {facts.dated:%A}, {facts.dated:%Y-%m-%d}")
    if not run.papers:
        return _empty(now, today, facts)
    if is_current and earlier and run.papers >= _COMPARABLE:
        last = earlier[0].facts
        if overlap(last, facts.sample) >= _SAME_LIST:  # equal lists have equal samples
            return _late(now, today, "the list is still that of the day before")
        if today.ids_grow and facts.newest and facts.newest <= last.newest:
            return _late(now, today, f"nothing on the list is newer than {last.newest} of the day before")
    if is_current and not today.short and today.by and now >= today.by:
        thin = "; ".join(_thin(run, earlier))
        if thin:
            return SourceHealth.PARTIAL, thin
    return SourceHealth.FRESH, ""


def _late(now: datetime, today: Expected, reason: str) -> tuple[SourceHealth, str]:
    if today.by and now < today.by:
        return SourceHealth.QUIET, f"{reason}; the next is expected by {today.by:%H:%M} UTC"
    return SourceHealth.STALE, f"{reason}; late papers come tomorrow"


def _empty(now: datetime, today: Expected, facts: ListFacts) -> tuple[SourceHealth, str]:
    if today.why_none:
        return SourceHealth.QUIET, f"nothing was announced ({today.why_none})"
    if today.by is None:
        return SourceHealth.QUIET, "nothing changed since it was last read" if facts.unchanged else "nothing was listed"
    if now < today.by:
        return SourceHealth.QUIET, f"nothing is listed yet; it is expected by {today.by:%H:%M} UTC"
    return SourceHealth.STALE, (
        "nothing changed since the day before; late papers come tomorrow"
        if facts.unchanged
        else f"nothing was listed, though it was expected by {today.by:%H:%M} UTC"
    )


def _thin(run: SourceRun, earlier: Sequence[SourceRun]) -> Iterator[str]:
    if len(earlier) < _ENOUGH_DAYS:
        return
    usual = median(previous.papers for previous in earlier)
    if run.papers < usual / _THIN:
        yield f"usually {usual:.0f} by this time of day"
    counts = [previous.facts.categories for previous in earlier if previous.facts.categories]
    if len(counts) >= _ENOUGH_DAYS:  # some sources give no categories
        for category in sorted(set().union(*counts) - set(run.facts.categories)):
            if median(count.get(category, 0) for count in counts) >= _BIG_CATEGORY:
                yield f"nothing of {category}"


def _problem(run: SourceRun, now: datetime, thin: bool) -> tuple[SourceHealth, str]:
    """The problem that subscribers are told about, with the reason for a quiet day; FRESH when there is none."""
    if run.outcome is SourceHealth.FAILING or lost_touch(run, now):
        return SourceHealth.FAILING, ""
    if run.outcome is SourceHealth.QUIET:
        why_none = expected(run.source, run.day).why_none
        return (SourceHealth.QUIET, why_none) if thin and why_none else (SourceHealth.FRESH, "")
    return run.outcome, ""


def _notes(outcome: SourceHealth, why: str, sources: Sequence[str]) -> Iterator[Message]:
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
