"""The command that replays recorded days: what the ranking would have sent, and when."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.options import date_option, weight_option, with_options
from digest.cli.output import answer, complain, with_json
from digest.cli.watching import watched
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the parsers of the records
    from digest.papers.backtest import Recorded, ReplayedDay, Rules
    from digest.papers.ranking import RankingWeights

_SHOWN = 5  # unreadable records that are shown one by one

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="With daily_papers.jsonl.gz and votes.jsonl.gz.")]
First = Annotated[date | None, date_option("--from", "First day.", "that of the first list")]
Last = Annotated[date | None, date_option("--to", "Last day.", "that of the last list")]
PerDay = Annotated[int, typer.Option("--per-day", min=1, help="Papers sent a day.")]
EveryDay = Annotated[
    bool, typer.Option("--every-day", help="An issue on days without a list too, as subscribers get them.")
]
Floor = Annotated[
    float | None, typer.Option("--floor", metavar="SCORE", help="Send no paper below this score (product: -5).")
]
Weight = Annotated[
    list[Any] | None, weight_option("--weight", "NAME=VALUE", "Change a weight of the ranking; repeatable.")
]
Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write the papers sent to this file.")]


def _rules(per_day: PerDay = 10, every_day: EveryDay = False, floor: Floor = None, weight: Weight = None) -> "Rules":
    from digest.papers.backtest import Rules

    least = -math.inf if floor is None else floor
    return Rules(_weights(dict(weight or [])), settings().pool_days, per_day, every_day, least)


@with_json
@with_options(_rules, "rules")
def backtest(rules: "Rules", data: Data, first: First = None, last: Last = None, output: Output = None) -> None:
    """Replay recorded days with the ranking: one issue a day with a list, no paper twice, none from the future.

    Writes one {"id", "sent_at"} a line to --output. Needs no database.
    """
    from digest.papers.backtest import replay

    recorded = _read(data)
    begin, end = _span(recorded, data, first, last)
    replayed = list(watched(replay(recorded, rules, begin, end), "Replaying days", (end - begin).days + 1))
    if output is not None:
        _write(output, replayed)
    summary = _summary(recorded, replayed, rules)
    answer(summary, lambda: _lines(summary))


def _weights(changes: Mapping[str, float]) -> "RankingWeights":
    from digest.papers.ranking import RankingWeights

    weights = RankingWeights().as_dict()
    if unknown := [name for name in changes if name not in weights]:
        available = ", ".join(weights)
        raise typer.BadParameter(f"unknown weight {unknown[0]!r} (available: {available})", param_hint="--weight")
    return RankingWeights(**{**weights, **changes})


def _read(folder: Path) -> "Recorded":
    from digest.papers.backtest import read_folder

    try:
        return read_folder(folder)
    except FileNotFoundError as error:
        complain(f"{error}. Name with --data a folder that has it; docs/ranking.md says what it holds.", 2)


def _span(recorded: "Recorded", data: Path, first: date | None, last: date | None) -> tuple[date, date]:
    days = sorted(recorded.list_days | set(recorded.read_at))
    if not days:
        complain(f"{data} holds no list that can be read: {'; '.join(recorded.unreadable[:3])}", 1)
    begin, end = first or days[0], last or days[-1]
    if begin > end:
        raise typer.BadParameter(f"{begin} is after {end}", param_hint="--from")
    return begin, end


def _write(output: Path, replayed: "Sequence[ReplayedDay]") -> None:
    sent = [(ranked.paper.id, day.cut_at) for day in replayed if day.cut_at for ranked in day.sent]
    lines = [json.dumps({"id": paper_id, "sent_at": at.isoformat()}) + "\n" for paper_id, at in sent]
    try:
        output.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        complain(f"{output} cannot be written: {error.strerror}. Name another file with --output.", 1)


def _summary(recorded: "Recorded", replayed: "Sequence[ReplayedDay]", rules: "Rules") -> dict[str, Any]:
    from digest.papers.backtest import outcome
    from digest.papers.ranking import FORMULA

    issues = [day for day in replayed if day.sent]
    none = {str(day.day): day.reason for day in replayed if not day.sent}
    return {
        "from": replayed[0].day,
        "to": replayed[-1].day,
        "days": len(replayed),
        "issues": len(issues),
        "papers": sum(len(day.sent) for day in issues),
        "outcome": asdict(outcome(recorded, replayed)),
        "no_issue": none,
        "reasons": dict(Counter(none.values())),
        "unreadable": len(recorded.unreadable),
        "unreadable_records": recorded.unreadable,
        "formula": FORMULA,
        "pool_days": rules.pool_days,
        "every_day": rules.every_day,
        "floor": None if rules.floor == -math.inf else rules.floor,
        "weights": asdict(rules.weights),
    }


def _lines(summary: dict[str, Any]) -> Iterator[str]:
    yield f"{summary['from']} to {summary['to']}: {summary['issues']} issues with {summary['papers']} papers."
    yield from _outcome_lines(summary["outcome"])
    for reason, days in sorted(summary["reasons"].items()):
        yield f"{days} days without an issue: {reason}."
    if summary["unreadable"]:
        yield f"{summary['unreadable']} records could not be read and were left out, the first of them:"
        yield from summary["unreadable_records"][:_SHOWN]


def _outcome_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    weekend = f"{outcome['weekend_papers']:.1f} from Saturday to Monday morning"
    yield f"{outcome['papers_a_week']:.1f} papers a week, {weekend}."
    if outcome["delay_hours"] is not None:
        yield (
            f"Of each week's 25 best, {outcome['recall']:.1%} were sent, "
            f"{outcome['delay_hours']:.2f} hours after they were first seen."
        )
    if outcome["delay_error"] is not None:
        errors = f"{outcome['recall_error']:.1%} and {outcome['delay_error']:.2f} hours"
        yield f"Over {outcome['weeks']} weeks, their standard errors are {errors}."
    if outcome["good_share"] is not None:
        yield f"{outcome['good_share']:.0%} of the papers sent ended among the 50 best of their week."
