"""Issues and their frozen ranked lists."""

import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from io import BytesIO
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, func, insert, select, update

from digest.database.dialect import insert_new
from digest.database.engine import note
from digest.database.tables import issue_papers, issue_topics, issues, pools
from digest.issues.issue import LONGEST_POOL, Issue, IssueSettings, NoticeText
from digest.issues.paper_json import paper_as_json, papers_of, stored_paper
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.ledger.replay_log import Entry
from digest.papers.paper import Paper, RankedPaper
from digest.papers.score_terms import ScoreTerms
from digest.papers.topics import topics_of

SHRUNK = b"-"  # before the content of a pool that has only papers that someone was sent; zlib begins with another byte
BEST_FOR_TOPICS = 50  # ranks of an issue that the pages and feeds of topics show
_PLAIN_SETTINGS = (
    "title",
    "public_url",
    "postal_address",
    "contact",
    "sender",
    "reply_to",
    "unsubscribe_address",
    "link_key",
    "link_ends",
    "language",
    "rules",
)
_COLUMNS = tuple(column.name for column in issues.columns)
_NOTE_IN = "note "  # and a language
_LEFT_OUT = "left out "  # and a reason
_SUBJECT_IN, _TEXT_IN = "notice subject ", "notice text "  # and a language


@dataclass(frozen=True, slots=True)
class NewIssue:
    """An issue before the database gives it a number."""

    kind: str
    date: date
    cut_at: datetime
    formula: str
    weights: Mapping[str, float]
    settings: IssueSettings
    note: str
    space_id: int | None = None


def add_issue(
    connection: Connection, new: NewIssue, papers: Sequence[RankedPaper], others: Sequence[RankedPaper] = ()
) -> int | None:
    """Store an issue with its best papers and the rest of its pool.

    Returns None if its date has an issue of this kind already, which stays as it is.
    """
    row = asdict(new) | {
        "settings": settings_as_json(new.settings),
        "status": str(IssueStatus.RUNNING),
        "candidates": 0,
    }
    added = insert_new(connection, issues).values(row).returning(issues.c.id)
    issue_id: int | None = connection.execute(added).scalar()
    if issue_id is not None:
        note(connection, {"what": Entry.CUT, "kind": new.kind, "day": new.date.isoformat()})
    if issue_id is not None and papers:
        rows = [{"issue_id": issue_id, **_ranked_values(ranked)} for ranked in papers]
        connection.execute(insert(issue_papers), rows)
        _add_topics(connection, issue_id, papers[:BEST_FOR_TOPICS])
    if issue_id is not None and others:
        connection.execute(insert(pools), {"issue_id": issue_id, "content": pack_rows(map(_ranked_values, others))})
    return issue_id


def _add_topics(connection: Connection, issue_id: int, papers: Sequence[RankedPaper]) -> None:
    rows = [
        {"issue_id": issue_id, "topic": topic.slug, "rank": ranked.rank}
        for ranked in papers
        for topic in topics_of(ranked.paper)
    ]
    if rows:
        connection.execute(insert(issue_topics), rows)


def settings_as_json(settings: IssueSettings) -> dict[str, str]:
    """Return the settings as every version stores them: text by name."""
    plain = {name: getattr(settings, name) for name in _PLAIN_SETTINGS}
    days = {"pool_days": str(settings.pool_days)}
    if settings.overlap_days:
        days["overlap_days"] = str(settings.overlap_days)
    if settings.floor is not None:
        days["floor"] = repr(settings.floor)
    notes = {f"{_NOTE_IN}{language}": note for language, note in settings.notes.items()}
    left_out = {f"{_LEFT_OUT}{reason}": str(count) for reason, count in settings.left_out.items()}
    notice = {f"{_SUBJECT_IN}{language}": text.subject for language, text in settings.notice.items()}
    notice |= {f"{_TEXT_IN}{language}": text.text for language, text in settings.notice.items()}
    return plain | days | {"dkim": " ".join(settings.dkim)} | notes | left_out | notice


def settings_of(stored: Mapping[str, str]) -> IssueSettings:
    """Read what settings_as_json() of this version or an earlier one wrote."""
    plain = {name: stored[name] for name in _PLAIN_SETTINGS if name in stored}
    subjects, texts = _with_prefix(stored, _SUBJECT_IN), _with_prefix(stored, _TEXT_IN)
    return IssueSettings(
        **plain,
        dkim=tuple(stored.get("dkim", "").split()),
        pool_days=int(stored.get("pool_days", LONGEST_POOL)),
        overlap_days=int(stored.get("overlap_days", 0)),
        floor=float(stored["floor"]) if "floor" in stored else None,
        notes=_with_prefix(stored, _NOTE_IN),
        left_out={reason: int(count) for reason, count in _with_prefix(stored, _LEFT_OUT).items()},
        notice={language: NoticeText(subject, texts[language]) for language, subject in subjects.items()},
    )


def _with_prefix(stored: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): text for name, text in stored.items() if name.startswith(prefix)}


def set_candidates(connection: Connection, issue_id: int, candidates: int) -> None:
    """Store how many deliveries were queued at the cut."""
    connection.execute(update(issues).where(issues.c.id == issue_id).values(candidates=candidates))


def set_status(connection: Connection, issue_id: int, status: IssueStatus) -> bool:
    """Pause, resume or cancel. False when nothing changed; a cancelled issue stays cancelled."""
    change = update(issues).where(
        issues.c.id == issue_id, issues.c.status != status, issues.c.status != IssueStatus.CANCELLED
    )
    return connection.execute(change.values(status=str(status))).rowcount == 1


def set_withdrawn(connection: Connection, issue_id: int, at: datetime | None) -> bool:
    """Take an issue off the site, or with None show it again. False when nothing changed."""
    before = issues.c.withdrawn_at.is_not(None) if at is None else issues.c.withdrawn_at.is_(None)
    change = update(issues).where(issues.c.id == issue_id, before).values(withdrawn_at=at)
    return connection.execute(change).rowcount == 1


def issue_by_id(connection: Connection, issue_id: int, whole: bool = False) -> Issue:
    """Read an issue; `whole`: with the papers of its pool beyond the best."""
    row = connection.execute(select(issues).where(issues.c.id == issue_id)).one()
    return _issue(connection, row, whole)


def issue_on(connection: Connection, kind: str, day: date, whole: bool = False) -> Issue | None:
    """Read the issue of `day`; None if it was not cut. `whole`: with the papers of its pool beyond the best."""
    row = connection.execute(select(issues).where(issues.c.kind == kind, issues.c.date == day)).one_or_none()
    return _issue(connection, row, whole) if row else None


def ranked_with(connection: Connection, issue: Issue, paper_ids: Collection[str]) -> dict[str, RankedPaper]:
    """Return the papers of an issue's pool with these ids, by id. The pool is read only for one beyond the best."""
    ranked = {paper.paper.id: paper for paper in issue.pool if paper.paper.id in paper_ids}
    missing = set(paper_ids) - ranked.keys()
    rows = rows_in(pool_content(connection, issue.id)) if missing else ()
    return ranked | {row["paper_id"]: _ranked_of(row) for row in rows if row["paper_id"] in missing}


def bare_issues(connection: Connection, limit: int, before: int | None = None) -> list[Issue]:
    """Read issues of every kind without their papers, cut last first; only those with a number below `before`."""
    query = select(issues) if before is None else select(issues).where(issues.c.id < before)
    return [issue_in(row, ()) for row in connection.execute(query.order_by(issues.c.id.desc()).limit(limit))]


def issues_between(connection: Connection, first: date, last: date) -> list[Issue]:
    """Read issues of every kind without their papers, by date."""
    query = select(issues).where(issues.c.date.between(first, last)).order_by(issues.c.date, issues.c.id)
    return [issue_in(row, ()) for row in connection.execute(query)]


def issue_id_on(connection: Connection, kind: str, day: date) -> int | None:
    return connection.execute(select(issues.c.id).where(issues.c.kind == kind, issues.c.date == day)).scalar()


def newest_issue(connection: Connection) -> Issue | None:
    """Read the issue with the latest date that has papers and was not cancelled."""
    row = connection.execute(newest_of(select(issues))).one_or_none()
    return _issue(connection, row) if row else None


def newest_issue_id(
    connection: Connection, now: datetime, within: timedelta, kind: str = IssueKind.DAILY
) -> tuple[int, date] | None:
    """Return number and date of the newest issue of a kind that has papers, if it was cut at most `within` ago."""
    query = newest_of(select(issues.c.id, issues.c.date), kind).where(issues.c.cut_at > now - within)
    row = connection.execute(query).one_or_none()
    return (row.id, row.date) if row else None


def last_cut(connection: Connection, kind: str, before: date) -> datetime | None:
    """Return when the newest issue of an earlier date was cut."""
    query = select(func.max(issues.c.cut_at)).where(issues.c.kind == kind, issues.c.date < before)
    return connection.execute(query).scalar()


def issue_dates(
    connection: Connection, limit: int, kind: str = IssueKind.DAILY, before: date | None = None
) -> list[date]:
    """Return the dates of the issues of a kind, newest first; with `before`, only earlier ones."""
    query = select(issues.c.date).where(issues.c.kind == kind).order_by(issues.c.date.desc()).limit(limit)
    if before is not None:
        query = query.where(issues.c.date < before)
    return list(connection.execute(query).scalars())


def newest_of(query: Any, kind: Any = IssueKind.DAILY) -> Any:
    """Limit a query of `issues` to the latest that has papers and was neither cancelled nor withdrawn."""
    has_papers = select(issue_papers.c.issue_id).where(issue_papers.c.issue_id == issues.c.id).exists()
    return query.where(issues.c.kind == kind, is_listed(), has_papers).order_by(issues.c.date.desc()).limit(1)


def is_listed(issue: FromClause = issues) -> ColumnElement[bool]:
    """True for an issue that lists of issues and feeds show."""
    return (issue.c.status != IssueStatus.CANCELLED) & issue.c.withdrawn_at.is_(None)


def _issue(connection: Connection, row: Row[Any], whole: bool = False) -> Issue:
    query = select(issue_papers).where(issue_papers.c.issue_id == row.id).order_by(issue_papers.c.rank)
    rows = [dict(paper._mapping) for paper in connection.execute(query)]
    known = papers_of(connection, {each["paper_id"]: each["paper"] for each in rows})
    papers = tuple(_ranked_of(each, known[each["paper_id"]]) for each in rows)
    if not whole:
        return issue_in(row, papers)
    content = pool_content(connection, row.id)
    issue = issue_in(row, papers, tuple(map(_ranked_of, rows_in(content))))
    return replace(issue, is_shrunk=content.startswith(SHRUNK))


def issue_in(row: Any, papers: Sequence[RankedPaper], others: Sequence[RankedPaper] = ()) -> Issue:
    """Convert a row that holds the columns of `issues`."""
    values = {name: getattr(row, name) for name in _COLUMNS}
    values |= {"status": IssueStatus(row.status), "settings": settings_of(row.settings)}
    return Issue(**values, papers=tuple(papers), others=tuple(others))


# --- ranked papers, in rows and packed ---


def pool_content(connection: Connection, issue_id: int) -> bytes:
    """Return the packed papers beyond the best; empty for issues of earlier versions, which kept no others."""
    return connection.execute(select(pools.c.content).where(pools.c.issue_id == issue_id)).scalar() or b""


def rows_in(content: bytes) -> Iterator[dict[str, Any]]:
    """The values of the papers, by rank."""
    packed = content.removeprefix(SHRUNK)
    # Line by line, and each number once: workers keep the papers, and all lines at once would take thrice their memory.
    decoder = json.JSONDecoder(parse_float=lru_cache(maxsize=1_000)(float))
    for line in BytesIO(zlib.decompress(packed) if packed else b""):
        yield decoder.decode(line.decode("ascii"))


def pack_rows(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A line of JSON for each paper, compressed."""
    lines = [json.dumps(row, separators=(",", ":")) for row in rows]
    return zlib.compress("\n".join(lines).encode("ascii"))


def _ranked_values(ranked: RankedPaper) -> dict[str, Any]:
    return {
        "rank": ranked.rank,
        "paper_id": ranked.paper.id,
        "score": ranked.score,
        "terms": ranked.terms.as_dict(),
        "paper": paper_as_json(ranked.paper),
        "late_days": ranked.late_days,
    }


def _ranked_of(values: Mapping[str, Any], paper: Paper | None = None) -> RankedPaper:
    """Convert the values that _ranked_values() gave; with the `paper`, if it was read already."""
    return RankedPaper(
        rank=values["rank"],
        paper=paper or stored_paper(values["paper"]),
        score=values["score"],
        terms=ScoreTerms.from_dict(values["terms"]),
        late_days=values["late_days"],
    )
