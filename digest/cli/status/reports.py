"""The commands days, bounces and domains: what the pages of the console with the same names show."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import clock
from digest.cli.lookup import reading
from digest.cli.options import date_option
from digest.cli.output import answer, table, with_json
from digest.ledger.kinds import FailureKind, RefusalClass
from digest.settings import settings
from digest.text import minute_of, parse_domain

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.mail.suppression_guard import Freeze
    from digest.monitoring.days import DayReport
    from digest.monitoring.domains import DomainReport
    from digest.monitoring.late_bounces import LateBounce, ReportCounts
    from digest.monitoring.refusals import Refusal, RefusalSums

Last = Annotated[int, typer.Option("--last", min=1, max=366, help="Days to show.")]
LastReplies = Annotated[int, typer.Option("--last", min=1, max=366, help="Days of replies, today among them.")]
Domain = Annotated[str, typer.Option("--domain", help="Only addresses of this domain.")]
About = Annotated[RefusalClass | None, typer.Option("--about", help="Only refusals about this, by their code.")]
Since = Annotated[date | None, date_option("--since", "First day.", "30 days ago")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Refusals to list.")]


@with_json
def days(last: Last = 30) -> None:
    """Show each day: to how many its issue went and what became of it, or why nothing was sent."""
    from digest.monitoring.days import days as read_days
    from digest.monitoring.days import first_day

    now, configured = clock.now(), settings()
    with reading() as connection:
        first = max(now.date() - timedelta(days=last - 1), first_day(connection, configured.sources, now.date()))
        reports = read_days(connection, configured, first, now.date(), now)
    answer([_day_document(report) for report in reports], lambda: _day_lines(reports))


def _day_document(report: "DayReport") -> dict[str, Any]:
    kind = report.issue.kind if report.issue else None
    return {"day": report.day, "issue": kind, "sums": report.sums and report.sums.as_dict(), "why": report.why}


def _day_lines(reports: "Sequence[DayReport]") -> list[str]:
    heading = ("day", "issue", "to", "accepted", "refused", "skipped", "waiting", "others", "why")
    return table([heading, *map(_day_cells, reports)], sentences=True)


def _day_cells(report: "DayReport") -> tuple[object, ...]:
    if report.issue is None or report.sums is None:
        return (report.day, "none", "", "", "", "", "", "", report.why)
    sums = report.sums
    counts = (sums.candidates, sums.accepted, sums.refused, report.skipped, report.waiting, report.others)
    return (report.day, report.issue.kind, *counts, report.why)


def bounces(domain: str, about: RefusalClass | None, since: date | None, limit: int) -> None:
    """Show failed messages: sums by code and by domain, and the newest refusals and reports."""
    from digest.mail.suppression_guard import frozen
    from digest.monitoring.late_bounces import late_bounces, report_counts
    from digest.monitoring.refusals import LATELY, RefusalSearch, refusal_sums, refusals

    parsed = parse_domain(domain.lower()) if domain else ""
    if parsed is None:
        raise typer.BadParameter(f"{domain!r} is not a domain", param_hint="--domain")
    first = datetime.combine(since, time(0), UTC) if since else clock.now() - LATELY
    with reading() as connection:
        sums = refusal_sums(connection, first)
        rows, older = refusals(connection, RefusalSearch(parsed, about, since=first), limit)
        late = [] if parsed or about else late_bounces(connection, limit, since=first)[0]
        counts, freeze = report_counts(connection, first.date()), frozen(connection)
    document = asdict(sums) | {"since": first, "rows": [asdict(row) for row in rows], "more": older is not None}
    names = ("kind", "about", "proof", "reports")
    reports = [dict(zip(names, (*key, count), strict=True)) for key, count in counts.counts.items()]
    document |= {"reports": reports, "came_back": [asdict(row) for row in late], "frozen": freeze and asdict(freeze)}
    refused = chain(_sum_lines(sums, first), _refusal_lines(rows, older is not None))
    answer(document, lambda: chain(_freeze_lines(freeze), refused, _late_lines(late, counts, first)))


def _freeze_lines(freeze: "Freeze | None") -> Iterator[str]:
    if freeze is not None:
        yield f"Automatic suppression has been frozen since {minute_of(freeze.since)}: {freeze.why}."
        yield "The reports are held. To apply them: digest bounces unfreeze; if they are wrong, add --discard"
        yield ""


def _late_lines(late: "Sequence[LateBounce]", counts: "ReportCounts", since: datetime) -> Iterator[str]:
    """Lines about messages that came back after they were accepted; empty without any report."""
    if not counts.counts:
        return
    proved = ", ".join(f"{counts.of(kind)} {kind}" for kind in FailureKind)
    yield ""
    yield f"Came back after being accepted, since {since:%Y-%m-%d}: {proved}; unproved reports: {counts.rejected}"
    from digest.mail.policy_codes import with_meaning

    heading = ("at (UTC)", "address", "message", "kind", "effect", "report")
    rows = [
        (
            f"{row.at:%Y-%m-%d %H:%M}",
            row.address or "(deleted)",
            row.message or "",
            row.kind,
            row.effect,
            with_meaning(" ".join(filter(None, (row.status, row.text)))),
        )
        for row in late
    ]
    yield from table([heading, *rows], sentences=True) if rows else []


def _sum_lines(sums: "RefusalSums", since: datetime) -> Iterator[str]:
    total = f"{sums.total} or more" if sums.is_partial else f"{sums.total}"
    yield f"Refused since {minute_of(since)}: {total}; addresses suppressed for it: {sums.suppressed}"
    if sums.by_code:
        yield "By code:   " + ", ".join(f"{count} {code or 'without a code'}" for code, count in sums.by_code.items())
    if sums.by_domain:
        yield "By domain: " + ", ".join(f"{count} {domain}" for domain, count in sums.by_domain.items())


def _refusal_lines(rows: "Sequence[Refusal]", has_more: bool) -> list[str]:
    cells = [
        (f"{row.at:%Y-%m-%d %H:%M}", row.address or "(deleted)", row.kind, row.suppressed or "", _reply(row))
        for row in rows
    ]
    heading = ("at (UTC)", "address", "kind", "suppressed", "reply")
    return [
        *(table([heading, *cells], sentences=True) if cells else []),
        *(["There are more; the next: --limit, or digest audit --state refused"] if has_more else []),
    ]


def _reply(row: "Refusal") -> str:
    enhanced = "" if row.text.startswith(row.enhanced) else row.enhanced
    return " ".join(filter(None, (str(row.code or ""), enhanced, row.text)))


@with_json
def domains(last: LastReplies = 7) -> None:
    """Show the domains with the most subscribers: how their servers reply, and what limits sending to them."""
    from digest.monitoring.domains import domains as read_domains

    with reading() as connection:
        reports = read_domains(connection, settings().limits, clock.now(), last)
    answer([asdict(report) for report in reports], lambda: _domain_lines(reports))


def _domain_lines(reports: "Sequence[DomainReport]") -> list[str]:
    from digest.ledger.replies import ReplyClass

    heading = ("domain", "subscribers", "accepted", "later", "refused", "no reply", "sending")
    rows = [
        (
            "all others" if report.is_others else report.domain,
            report.subscribers,
            *(report.replies.get(reply, 0) for reply in ReplyClass),
            _limit_of(report),
        )
        for report in reports
    ]
    return table([heading, *rows], sentences=True) if rows else ["Nobody is subscribed yet."]


def _limit_of(report: "DomainReport") -> str:
    if pause := report.pause:
        by = f" by {pause.by}" if pause.by else ("" if pause.is_by_hand else " after refusals")
        until = f", until {minute_of(pause.until)}" if pause.until else ""
        return f"paused{by} since {minute_of(pause.since)}{until}: {pause.reason}"
    return f"up to {report.rate:g} messages a second" if report.rate else "no limit"
