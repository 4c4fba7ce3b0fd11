"""The preheaders of digests of recorded days name papers of the same message; `make soak` has 200 of them."""

import gzip
import json
from collections import defaultdict
from dataclasses import replace
from datetime import date
from functools import cache
from html import unescape
from pathlib import Path

import pytest

from digest.issues.reasons import OUTSIDE
from digest.issues.selection import Pool, Selection
from digest.issues.selection.selection import NO_PROFILE, RULES
from digest.language import SOURCE
from digest.lint import ParsedMessage
from digest.mail.compose.cards import IN_PREHEADER, sentence, short_name
from digest.mail.compose.render import SPACER
from digest.papers.paper import Paper
from digest.papers.text.plaintext import plaintext
from digest.subscribers.subscriber import Balance, Preferences
from tests.mail.builders import LANGUAGES, a_composer, a_draft, a_paper, an_issue

SUBSCRIBERS = (
    Preferences(),
    Preferences(topics=("agents", "vision"), balance=Balance.MINE),
    Preferences(keywords=("diffusion", "benchmark"), papers=5),
    Preferences(topics=("graphs",), papers=3, balance=Balance.MINE),
    Preferences(keywords=("language model",), papers=1),
)


@cache
def days(folder: Path, count: int) -> list[tuple[date, list[Paper]]]:
    """Papers of recorded days, evenly spread, most votes first."""
    by_day = defaultdict(list)
    with gzip.open(folder / "hf" / "daily_papers.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            by_day[row["date"]].append(row)
    chosen = sorted(by_day)[:: len(by_day) // count][:count]
    ranked = {day: sorted(by_day[day], key=lambda row: -(row.get("upvotes") or 0))[:20] for day in chosen}
    return [(date.fromisoformat(day), [_paper(row) for row in rows]) for day, rows in ranked.items()]


def _paper(row: dict[str, str]) -> Paper:
    texts = {"title": plaintext(row["title"]), "summary": plaintext(row.get("ai_summary") or "")}
    return a_paper(1, id=row["id"], abstract=plaintext(row["summary"]), **texts)


def preheader(message: bytes) -> str:
    hidden = ParsedMessage(message).html.partition('<div style="display:none">')[2].partition("</div>")[0]
    return unescape(hidden).removesuffix(SPACER)


def names_in(line: str, papers: list[Paper], language: str) -> list[str]:
    """The names that a preheader consists of; empty if any of it is something else."""
    said = LANGUAGES.get(language)
    names = {short_name(paper, IN_PREHEADER, said): paper for paper in papers}
    also = {"en": "Also: ", "zh-CN": "还有："}[language]
    if line.startswith(also):
        parts = line.removeprefix(also).split("; ")
        return parts if set(parts) <= names.keys() else []
    alone = [name for name, paper in names.items() if line in (f"{name}: {sentence(paper)}", sentence(paper))]
    return alone or [name for name in names if line.startswith(f"{name}. ")]


@pytest.mark.parametrize("language", LANGUAGES.codes)
def test_each_preheader_names_papers_of_its_message(language: str, shared_data: Path) -> None:
    check_preheaders(shared_data, language, count=40)


def check_preheaders(shared_data: Path, language: str, count: int) -> None:
    recorded, wrong, outside = days(shared_data, count), [], 0
    assert len(recorded) == count
    for number, (day, papers) in enumerate(recorded):
        issue = an_issue(papers, best=10)
        issue = replace(issue, date=day, settings=replace(issue.settings, rules=RULES))
        preferences = replace(SUBSCRIBERS[number % len(SUBSCRIBERS)], language=language if language != SOURCE else "")
        selection = Pool(issue, languages=LANGUAGES).select(preferences, set(), NO_PROFILE)
        assert isinstance(selection, Selection)
        strange = {pick.paper_id for pick in selection.picks if pick.why == LANGUAGES.get(language).say(OUTSIDE)}
        sent = {pick.paper_id for pick in selection.picks}
        usual = [paper for paper in papers if paper.id in (sent - strange or sent)]
        line = preheader(a_composer(issue, language=language).compose(a_draft(issue, selection)).envelope.message)
        outside += bool(strange)
        if not names_in(line, usual, language):
            wrong.append((day, line))
    assert wrong == []
    assert outside >= count / 10, "papers from outside have to be among them"
