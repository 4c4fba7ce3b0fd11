"""Sample values for mails, each with what a test wants to be different."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from digest.issues.issue import Issue, IssueStatus
from digest.issues.selection import Pick, Selection
from digest.mail.compose import message_id
from digest.mail.message import Headers, Kind, Letter
from digest.mail.render import Look, ReaderLinks, Renderer
from digest.papers.paper import Paper, RankedPaper

TEMPLATES = Path(__file__).parents[2] / "templates"
TOKEN = "AbCdEf0123456789AbCdEf0123456789wxyz"
SITE = "https://papers.example.org"
LOOK = Look("Daily Papers", SITE, "Example Lab, 1 Long Street, 12345 Town", "hello@example.org")
READER = ReaderLinks(
    address="reader@example.com",
    manage_url=f"{SITE}/preferences/{TOKEN}",
    unsubscribe_url=f"{SITE}/u/{TOKEN}",
    confirm_url=f"{SITE}/confirm/{TOKEN}",
)
RENDERER = Renderer(TEMPLATES)


def a_paper(number: int = 1, **said: Any) -> Paper:
    paper = Paper(
        id=f"2611.{number:05}",
        title=f"Paper {number}: Sorting Very Long Lists Without Looking at Them",
        summary="A sorting method that never reads its input is shown to be right surprisingly often.",
        authors=("Ada Example", "Bo Sample", "Chi Specimen", "Dee Instance"),
        organization="Institute of Examples",
        published_at=datetime(2026, 11, 20, tzinfo=UTC),
        url=f"https://arxiv.org/abs/2611.{number:05}",
        code_url=f"https://github.com/example/sort{number}",
    )
    return replace(paper, **said)


def an_issue(papers: Iterable[Paper], note: str = "") -> Issue:
    ranked = tuple(
        RankedPaper(place, paper, 10.0 / place, {"upvotes": 142.0 / place, "comments": 3.0})
        for place, paper in enumerate(papers, start=1)
    )
    cut_at = datetime(2026, 11, 23, 6, tzinfo=UTC)
    return Issue(1, "daily", date(2026, 11, 23), cut_at, IssueStatus.RUNNING, "test", {}, {}, 1, note, ranked)


def everything_in(issue: Issue, left_out: int = 0) -> Selection:
    picks = tuple(Pick(place.paper.id, f"no. {place.rank} of the day") for place in issue.papers)
    return Selection(picks, left_out)


def a_digest(papers: Iterable[Paper], note: str = "", left_out: int = 0) -> Letter:
    issue = an_issue(papers, note)
    return RENDERER.digest_letter(issue, everything_in(issue, left_out), READER, LOOK)


def every_letter() -> dict[Kind, Letter]:
    return {
        Kind.DIGEST: a_digest([a_paper(number) for number in range(1, 11)], left_out=3),
        Kind.CONFIRMATION: RENDERER.confirmation_letter(READER, LOOK),
        Kind.ALREADY: RENDERER.already_letter(READER, LOOK),
        Kind.LINK: RENDERER.link_letter(READER, LOOK),
    }


def headers(**said: Any) -> Headers:
    values = Headers(
        sender="Daily Papers <digest@papers.example.org>",
        to="reader@example.com",
        date=datetime(2026, 11, 23, 7, tzinfo=UTC),
        message_id=message_id(1, "recipient", "2026-11-23", Kind.DIGEST, "papers.example.org"),
        kind=Kind.DIGEST,
        occasion="2026-11-23",
        list_domain="papers.example.org",
        unsubscribe_url=READER.unsubscribe_url,
        unsubscribe_mailto="mailto:unsubscribe@papers.example.org",
        archive_url=f"{SITE}/issues",
        reply_to="Editors <hello@example.org>",
    )
    return replace(values, **said)


def a_letter(**said: Any) -> Letter:
    return replace(Letter("10 papers, 23 Nov", "Hello\n", "<!DOCTYPE html><p>Hello</p>\n"), **said)
