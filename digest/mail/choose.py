"""Claimed deliveries → what goes into each mail. What a mail was once begun with stays: a retry is the same mail."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest.issues.issue import OVERLAP, Issue, IssueKind, IssueStatus
from digest.issues.selection import NO_TASTE, Pool, Selection, SkipReason, Taste
from digest.mail.message import LISTED, Kind
from digest.store.deliveries import Delivery, Got, already_got, last_issue_mails
from digest.store.opinions import opinions_of
from digest.store.recipients import Standing, standing
from digest.store.tastes import leanings_of
from digest.subscribers.opinion import Opinion
from digest.subscribers.subscriber import MAX_PAPERS, Preferences, Reader, Status

# Where an issue does not say how many days of papers it was made from: as many as the setting allows.
_LONGEST_POOL = 30


@dataclass(frozen=True, slots=True)
class Part:
    """One mail to be written: for whom, and for a digest from which issue which papers."""

    delivery: Delivery
    reader: Reader
    issue: Issue | None = None
    selection: Selection | None = None


@dataclass(slots=True)
class Choice:
    """What became of a claim: mails to write, mails nobody wants any more, mails that wait."""

    parts: list[Part] = field(default_factory=list)
    skipped: dict[int, SkipReason] = field(default_factory=dict)
    paused: list[int] = field(default_factory=list)  # with their issue; a resume makes them due at once
    waiting: list[int] = field(default_factory=list)  # until another mail to the reader is chosen


@dataclass(frozen=True, slots=True)
class Shelf:
    """An issue, ready to be chosen from."""

    issue: Issue
    pool: Pool


@dataclass(frozen=True, slots=True)
class Known:
    """What decides a reader's list beside their preferences.

    `last_mail`: the date of it, asked for after a pause and of who got no paper lately.
    """

    got: Got
    taste: Taste = NO_TASTE
    last_mail: date | None = None


def choose(
    connection: Connection,
    worker: str,
    claims: Sequence[Delivery],
    shelf_of: Callable[[int], Shelf],
    making: Callable[[int], None],
) -> Choice:
    """Decide for each claim; changes nothing. The claims must be committed (already_got tells why).

    `making` is told whose turn it is, by the number of the mail.
    """
    choice = Choice()
    standings = standing(connection, claims)
    known = known_of(connection, worker, claims, shelf_of)
    for claim in claims:
        making(claim.id)
        found = standings[claim.id]
        reason = why_not(claim, found)
        if reason is not None:
            choice.skipped[claim.id] = reason
        elif found.issue_status is IssueStatus.PAUSED:
            choice.paused.append(claim.id)
        elif found.reader is not None and claim.issue_id is None:
            choice.parts.append(Part(claim, found.reader))
        elif found.reader is not None and claim.issue_id is not None:
            _choose_papers(claim, found.reader, shelf_of(claim.issue_id), known[claim.id], choice)
    return choice


def _choose_papers(claim: Delivery, reader: Reader, shelf: Shelf, known: Known, choice: Choice) -> None:
    if claim.selection is None and known.got.being_chosen:
        choice.waiting.append(claim.id)
        return
    selection = claim.selection or papers_for(shelf, reader.preferences, known)
    if isinstance(selection, SkipReason):
        choice.skipped[claim.id] = selection
        return
    known.got.papers.update(pick.paper_id for pick in selection.picks)  # for another of the reader's mails here
    choice.parts.append(Part(claim, reader, shelf.issue, selection))


def papers_for(shelf: Shelf, preferences: Preferences, known: Known) -> Selection | SkipReason:
    """A reader's list of an issue. After a pause it is half as long again, of what was listed since their last mail."""
    selection = _listed_for(shelf, preferences, known)
    is_first = known.last_mail is None and not known.got.papers
    return replace(selection, first=True) if is_first and isinstance(selection, Selection) else selection


def _listed_for(shelf: Shelf, preferences: Preferences, known: Known) -> Selection | SkipReason:
    if shelf.issue.kind != IssueKind.CATCH_UP:
        return shelf.pool.select(preferences, known.got.papers, known.taste)
    longer = replace(preferences, papers=min(MAX_PAPERS, preferences.papers * 3 // 2))
    overlap = timedelta(days=int(shelf.issue.settings[OVERLAP]))
    not_before = known.last_mail - overlap if known.last_mail else None
    return shelf.pool.select(longer, known.got.papers, known.taste, not_before)


def known_of(
    connection: Connection, worker: str, claims: Sequence[Delivery], shelf_of: Callable[[int], Shelf]
) -> dict[int, Known]:
    """For each mail of an issue, by its number, what its reader got and said."""
    mails = [claim for claim in claims if claim.issue_id is not None]
    if not mails:
        return {}
    shelves = {number: shelf_of(number) for number in {claim.issue_id for claim in mails} if number is not None}
    got = already_got(connection, mails, worker, min(since(shelf.issue) for shelf in shelves.values()))
    said = opinions_of(connection, {claim.subscriber_id for claim in mails if claim.subscriber_id is not None})
    known: dict[int, Known] = {}
    for issue_id, shelf in shelves.items():
        theirs = [claim for claim in mails if claim.issue_id == issue_id]
        readers = said.keys() & {one.subscriber_id for one in theirs}
        tastes = tastes_of(connection, shelf, {reader: said[reader] for reader in readers})
        after_pause = shelf.issue.kind == IssueKind.CATCH_UP
        unsure = {one.recipient for one in theirs if after_pause or not got[one.recipient].papers}
        last = last_issue_mails(connection, unsure, shelf.issue.date) if unsure else {}
        known |= {
            one.id: Known(got[one.recipient], tastes.get(one.subscriber_id or 0, NO_TASTE), last.get(one.recipient))
            for one in theirs
        }
    return known


def tastes_of(connection: Connection, shelf: Shelf, said: Mapping[int, Sequence[Opinion]]) -> dict[int, Taste]:
    """What readers said, as it bears on an issue's pool: a whole batch at once."""
    leanings = leanings_of(connection, shelf.issue.id, said) if said else {}
    known = {reader: shelf.pool.ids & {one.paper_id for one in opinions} for reader, opinions in said.items()}
    return {
        reader: Taste(leanings[reader].affinity, leanings[reader].kin, papers)
        if reader in leanings
        else Taste(known=papers)
        for reader, papers in known.items()
    }


def since(issue: Issue) -> date:
    """No paper of `issue` can have been in a mail of an earlier day: they were first seen after that."""
    pool_days = int(issue.settings.get("pool_days", _LONGEST_POOL))
    days = max([pool_days, *(math.ceil(ranked.terms.get("known_days", 0)) for ranked in issue.papers)])
    return issue.cut_at.date() - timedelta(days=days + 1)


def why_not(claim: Delivery, found: Standing) -> SkipReason | None:
    """Why this mail is not made any more; None while it is wanted."""
    if found.reader is None:
        return SkipReason.ERASED
    if found.suppressed:
        return SkipReason.SUPPRESSED
    if found.issue_status is IssueStatus.CANCELLED:
        return SkipReason.CANCELLED
    if claim.kind is Kind.CONFIRMATION:
        return None if found.reader.status is Status.PENDING else SkipReason.CHANGED
    if claim.kind is Kind.GOODBYE:
        return None if found.reader.status is Status.UNSUBSCRIBED else SkipReason.CHANGED
    if found.reader.status is not Status.CONFIRMED:
        return SkipReason.UNSUBSCRIBED
    return SkipReason.PAUSED if claim.kind in LISTED and _is_paused(found.reader, claim.due_at) else None


def _is_paused(reader: Reader, due_at: datetime) -> bool:
    until = reader.preferences.paused_until
    return until is not None and due_at.astimezone(ZoneInfo(reader.preferences.zone)).date() < until
