"""The command that replays recorded days: what the ranking would have sent, and when."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.options import DryRun, Json
from digest.cli.output import answer, complain, progress
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for what the command needs
    from digest.papers.backtest import Recorded, ReplayedDay, Rules
    from digest.papers.ranking import RankingWeights

_SHOWN = 5  # unreadable records that are shown one by one

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds daily_papers.jsonl.gz and votes.jsonl.gz.")]
First = Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First day; else the first list's.")]
Last = Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day; else the last list's.")]
PerDay = Annotated[int, typer.Option("--per-day", min=1, help="How many papers are sent a day.")]
PoolDays = Annotated[int | None, typer.Option("--pool-days", min=1, help="Instead of DIGEST_POOL_DAYS.")]
Weight = Annotated[
    list[str] | None, typer.Option("--weight", metavar="NAME=VALUE", help="Instead of DIGEST_RANKING_NAME; repeatable.")
]
Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where to write what was sent.")]


def add_to(app: typer.Typer) -> None:
    """Add this file's command to `app`."""
    app.command(rich_help_panel="Papers and issues")(backtest)


def backtest(
    data: Data,
    first: First = None,
    last: Last = None,
    per_day: PerDay = 10,
    pool_days: PoolDays = None,
    weight: Weight = None,
    output: Output = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Replay recorded days with the ranking as it is set: an issue a list day, no paper twice, none from the future.

    Writes one {"id", "sent_at"} a line to --output. Needs no database.
    """
    from digest.papers.backtest import Rules, replay

    rules = Rules(_weights(weight or []), pool_days or settings().pool_days, per_day)
    recorded = _read(data)
    begin, end = _span(recorded, data, first, last)
    replayed = list(_watched(replay(recorded, rules, begin, end)))
    if output is not None and not dry_run:
        _write(output, replayed)
    found = _found(recorded, replayed, rules)
    answer(as_json, found, lambda: _lines(found))


def _weights(given: Sequence[str]) -> "RankingWeights":
    from digest import wiring

    weights = wiring.weights(settings())
    for one in given:
        name, _, value = one.partition("=")
        if name not in weights.as_dict():
            raise typer.BadParameter(f"{name!r} is none of {', '.join(weights.as_dict())}", param_hint="--weight")
        try:
            weights = replace(weights, **{name: float(value)})
        except ValueError:
            raise typer.BadParameter(f"{one!r}: write {name}=0.5", param_hint="--weight") from None
    return weights


def _read(folder: Path) -> "Recorded":
    from digest.papers.backtest import read_folder

    try:
        return read_folder(folder)
    except FileNotFoundError as error:
        complain(f"{error}. Name with --data a folder that has it; docs/ranking.md says what it holds.", 2)


def _span(recorded: "Recorded", data: Path, first: str | None, last: str | None) -> tuple[date, date]:
    days = sorted(recorded.list_days | set(recorded.read_at))
    if not days:
        complain(f"{data} holds no list that can be read: {'; '.join(recorded.unreadable[:3])}", 1)
    begin, end = _day(first, days[0], "--from"), _day(last, days[-1], "--to")
    if begin > end:
        raise typer.BadParameter(f"{begin} is after {end}", param_hint="--from")
    return begin, end


def _day(text: str | None, otherwise: date, option: str) -> date:
    try:
        return date.fromisoformat(text) if text else otherwise
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date; write 2026-01-31", param_hint=option) from None


def _watched(days: "Iterator[ReplayedDay]") -> "Iterator[ReplayedDay]":
    month = ""
    for one in days:
        if f"{one.day:%Y-%m}" != month:
            month = f"{one.day:%Y-%m}"
            progress(f"Replaying {month} …")
        yield one


def _write(output: Path, replayed: "Sequence[ReplayedDay]") -> None:
    sent = [(one.paper.id, day.cut_at) for day in replayed if day.cut_at for one in day.sent]
    lines = [json.dumps({"id": paper_id, "sent_at": at.isoformat()}) + "\n" for paper_id, at in sent]
    try:
        output.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        complain(f"{output} cannot be written: {error.strerror}. Name another file with --output.", 1)


def _found(recorded: "Recorded", replayed: "Sequence[ReplayedDay]", rules: "Rules") -> dict[str, Any]:
    from digest.papers.ranking import FORMULA

    issues = [one for one in replayed if one.sent]
    none = {str(one.day): one.reason for one in replayed if not one.sent}
    return {
        "from": replayed[0].day,
        "to": replayed[-1].day,
        "days": len(replayed),
        "issues": len(issues),
        "papers": sum(len(one.sent) for one in issues),
        "no_issue": none,
        "reasons": dict(Counter(none.values())),
        "unreadable": len(recorded.unreadable),
        "unreadable_records": recorded.unreadable,
        "formula": FORMULA,
        "pool_days": rules.pool_days,
        "weights": asdict(rules.weights),
    }


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['from']} to {found['to']}: {found['issues']} issues with {found['papers']} papers."
    for reason, days in sorted(found["reasons"].items()):
        yield f"{days} days without an issue: {reason}."
    if found["unreadable"]:
        yield f"{found['unreadable']} records could not be read and were left out, the first of them:"
        yield from found["unreadable_records"][:_SHOWN]
