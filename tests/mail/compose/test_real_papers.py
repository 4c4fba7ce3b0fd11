"""Messages with the papers of every recorded day keep every rule and stay small."""

import gzip
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from digest.issues.issue import Issue
from digest.issues.selection import Pick, Pool, Selection
from digest.language import SOURCE
from digest.lint import ParsedMessage
from digest.mail.compose.render import SPACER
from digest.papers.paper import Observed, Paper
from digest.papers.ranking import RankingWeights, rank
from digest.papers.sources.fetch import FetchResponse
from digest.papers.sources.huggingface import HuggingFace
from digest.papers.text.plaintext import plaintext
from digest.subscribers.subscriber import Preferences
from tests.mail.builders import LANGUAGES, a_composer, a_draft, a_paper, an_issue
from tests.mail.rules import broken

DAYS = ("2024-05-28", "2024-12-18", "2025-01-10", "2025-06-10", "2025-09-30", "2026-01-15")
LARGEST = 25
WHY = "matches your keyword “reinforcement learning from human feedback”"
IN_LANGUAGES = [(day, code) for code in LANGUAGES.codes for day in DAYS]


def issue_of_day(folder: Path, day: str) -> Issue:
    """The recorded list of a day, read and ranked as we do it."""
    now = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    body = (folder / "hf" / "raw_days" / f"{day}.json").read_bytes()
    replay = SimpleNamespace(get=lambda url, _known=None: FetchResponse(body if url.endswith("&p=0") else b"[]"))
    findings = HuggingFace("https://huggingface.co", replay).fetch(date.fromisoformat(day), now)  # type: ignore[arg-type]
    votes = {seen.paper_id: (seen,) for seen in findings.votes}
    pool = [Observed(paper, now, votes.get(paper.id, ())) for paper in findings.papers]
    ranked = rank(pool, RankingWeights(), now)
    return replace(an_issue([]), date=date.fromisoformat(day), papers=ranked)


def mails(issue: Issue, size: int, language: str = SOURCE) -> Iterable[bytes]:
    """All papers of an issue in messages of `size`, each with a reason."""
    composer = a_composer(issue, language=language)
    for start in range(0, len(issue.papers), size):
        picks = tuple(Pick(ranked.paper.id, WHY) for ranked in issue.papers[start : start + size])
        yield composer.compose(a_draft(issue, Selection(picks, start))).envelope.message


def html_size(message: bytes) -> int:
    return len(ParsedMessage(message).html_on_the_wire)


@pytest.mark.parametrize(("day", "language"), IN_LANGUAGES)
def test_a_digest_of_every_recorded_day_keeps_every_rule(day: str, language: str, shared_data: Path) -> None:
    issue = issue_of_day(shared_data, day)
    assert len(issue.papers) >= 5
    for message in mails(issue, 10, language):
        assert broken(message) == []
        assert html_size(message) <= 60_000


def test_the_recorded_days_are_all_of_them(shared_data: Path) -> None:
    assert sorted(file.stem for file in (shared_data / "hf" / "raw_days").iterdir()) == list(DAYS)


@pytest.mark.parametrize("language", LANGUAGES.codes)
def test_awkward_records_keep_every_rule(language: str, shared_data: Path) -> None:
    lines = (shared_data / "arxiv" / "awkward_records.jsonl").read_text(encoding="utf-8").splitlines()
    papers = [_of_arxiv(json.loads(line)) for line in lines]
    for message in mails(an_issue(papers), 10, language):
        assert broken(message) == []


def test_papers_of_two_years_keep_every_rule(shared_data: Path) -> None:
    papers = [_of_list(row) for row in _listed(shared_data)[::85]]
    assert len(papers) == 101
    for message in mails(an_issue(papers), LARGEST):
        assert broken(message) == []


def test_the_longest_real_papers_stay_small(shared_data: Path) -> None:
    def wordiness(row: dict[str, Any]) -> int:
        return len(row["title"]) + sum(len(name or "") for name in row["authors"][:3])

    rows = sorted(_listed(shared_data), key=wordiness, reverse=True)[:LARGEST]
    issue = an_issue([replace(_of_list(row), summary="") for row in rows])
    ten, largest = next(iter(mails(issue, 10))), next(iter(mails(issue, LARGEST)))
    assert html_size(ten) <= 60_000
    assert html_size(largest) <= 100_000
    assert broken(largest) == []


def _listed(folder: Path) -> list[dict[str, Any]]:
    with gzip.open(folder / "hf" / "daily_papers.jsonl.gz", "rt", encoding="utf-8") as lines:
        return list({row["id"]: row for row in map(json.loads, lines)}.values())


def _of_list(row: dict[str, Any]) -> Paper:
    return a_paper(
        1,
        id=row["id"],
        title=plaintext(row["title"]),
        summary=plaintext(row.get("ai_summary") or ""),
        abstract=plaintext(row["summary"]),
        authors=tuple(name for name in row["authors"] if name),
        organization=row.get("organization_fullname") or "",
        published_at=datetime.fromisoformat(str(row["publishedAt"])),
        url=f"https://arxiv.org/abs/{row['id']}",
        code_url=row.get("githubRepo") or "",
        project_url=row.get("projectPage") or "",
    )


def _of_arxiv(row: dict[str, Any]) -> Paper:
    return a_paper(
        1,
        id=row["id"],
        title=plaintext(row["title"]),
        summary="",
        abstract=plaintext(row["summary"]),
        authors=tuple(map(plaintext, row["authors"])),
        published_at=datetime(2026, 5, 12, tzinfo=UTC),
        url=f"https://arxiv.org/abs/{row['id']}",
        code_url="",
    )


@pytest.mark.parametrize(("day", "language"), IN_LANGUAGES)
def test_ten_papers_of_every_recorded_day_are_lean(day: str, language: str, shared_data: Path) -> None:
    issue = issue_of_day(shared_data, day)
    whys = ["", "you follow agents and tool use"] * 5
    picks = tuple(Pick(ranked.paper.id, why) for ranked, why in zip(issue.papers, whys, strict=False))
    message = a_composer(issue, language=language).compose(a_draft(issue, Selection(picks))).envelope.message
    mail = ParsedMessage(message)
    words = " ".join(mail.light.text.translate(dict.fromkeys(map(ord, SPACER), " ")).split())
    share = len(words.encode()) / len(mail.html.encode())
    assert len(message) <= 25_000, f"{len(message):,} bytes"
    assert share >= 0.3, f"{share:.0%} of the HTML are words"


# Those whose papers take most room on the recorded days, among all triples of topics.
_TOPICS = (
    ("agents", "reasoning", "multimodal"),
    ("reasoning", "robotics", "data"),
    ("reasoning", "vision", "efficiency"),
)


@pytest.mark.parametrize(("day", "language"), IN_LANGUAGES)
def test_emails_to_those_who_follow_three_topics_are_lean_too(day: str, language: str, shared_data: Path) -> None:
    issue = issue_of_day(shared_data, day)
    pool, composer = Pool(issue, languages=LANGUAGES), a_composer(issue, language=language)
    sizes = {}
    for topics in _TOPICS:
        selection = pool.select(Preferences(topics=topics, language=language), set())
        assert isinstance(selection, Selection)
        assert len(selection.picks) == min(10, len(issue.papers))
        sizes[topics] = len(composer.compose(a_draft(issue, selection)).envelope.message)
    assert max(sizes.values()) <= 25_000, sizes
