"""Sample values for messages, each with what a test wants to be different."""

import email
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.policy import default
from functools import cache
from pathlib import Path
from typing import Any

from digest.issues.issue import Issue, NoticeText
from digest.issues.selection import Pick, Selection
from digest.language import SOURCE, Languages
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import OF_ISSUE, IssueKind, IssueStatus, Kind, Status
from digest.mail.compose.composer import IssueComposer, render_fragments
from digest.mail.compose.context import MailContext, issue_settings
from digest.mail.compose.further_cards import FurtherCards
from digest.mail.compose.headers import message_bytes
from digest.mail.compose.render import Renderer, SubscriberLinks
from digest.mail.kinds import KINDS
from digest.mail.message import Branding, Draft, Headers, MessageParts, Senders
from digest.papers.paper import Paper, RankedPaper
from digest.papers.score_terms import ScoreTerms
from digest.subscribers.subscriber import Preferences, Recipient

TEMPLATES = Path(__file__).parents[2] / "templates"
TOKEN = "AbCdEf0123456789AbCdEf0123456789wxyz"
SITE = "https://papers.example.org"
BRANDING = Branding("Daily Papers", SITE, "Example Lab, 1 Long Street, 12345 Town", "hello@example.org")
LINKS = SubscriberLinks(
    address="reader@example.com",
    manage_url=f"{SITE}/preferences/{TOKEN}",
    unsubscribe_url=f"{SITE}/u/{TOKEN}",
    confirm_url=f"{SITE}/confirm/{TOKEN}",
    new_address="new@example.net",
)
LANGUAGES = Languages(TEMPLATES.parent / "locale")
RENDERER = Renderer(TEMPLATES, LANGUAGES)
SECRET = b"a-secret-of-at-least-thirty-two-characters"
SENDERS = Senders(
    "Daily Papers <digest@papers.example.org>",
    "Daily Papers <hello@papers.example.org>",
    "Editors <hello@example.org>",
    "bounces@papers.example.org",
)
CONTEXT = MailContext(RENDERER, BRANDING, SENDERS, (SECRET,))


def a_paper(number: int = 1, **changes: Any) -> Paper:
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
    return replace(paper, **changes)


def an_issue(
    papers: Iterable[Paper],
    note: str = "",
    context: MailContext = CONTEXT,
    kind: str = "daily",
    best: int | None = None,
) -> Issue:
    """`best`: how many of the papers its pages show; all by default."""
    ranked = tuple(
        RankedPaper(rank, paper, 10.0 / rank, ScoreTerms(upvotes=142.0 / rank, comments=3.0))
        for rank, paper in enumerate(papers, start=1)
    )
    cut_at = datetime(2026, 11, 23, 6, tzinfo=UTC)
    frozen = issue_settings(context.branding, context.senders, context.link_keys, context.signers)
    running, day = IssueStatus.RUNNING, date(2026, 11, 23)
    issue = Issue(1, kind, day, cut_at, running, "test", {}, frozen, 1, note, ranked[:best])
    return replace(issue, others=ranked[len(issue.papers) :])


def everything_in(issue: Issue, left_out: int = 0) -> Selection:
    return Selection(tuple(Pick(ranked.paper.id, "") for ranked in issue.pool), left_out)


def a_draft(issue: Issue, selection: Selection | None, number: int = 1, address: str = LINKS.address) -> Draft:
    """A message to the subscriber with this number."""
    at = datetime(2026, 11, 23, 7, tzinfo=UTC)
    recipient = f"{number:032x}"
    subscriber = Recipient(number, address, Status.CONFIRMED, Preferences())
    delivery = Delivery(
        id=number,
        kind=OF_ISSUE[issue.kind],
        occasion=issue.date.isoformat(),
        recipient=recipient,
        issue_id=issue.id,
        subscriber_id=number,
        due_at=at,
        attempts=0,
        crashes=0,
        selection=None,
        sha256="",
        in_doubt=False,
        created_at=at,
    )
    return Draft(delivery, subscriber, issue, selection)


def a_composer(issue: Issue, context: MailContext = CONTEXT, language: str = SOURCE) -> IssueComposer:
    further = FurtherCards(issue, context.renderer.speaking(language))
    return IssueComposer(issue, render_fragments(issue, context, language), context, further)


def digest_bytes(
    papers: Iterable[Paper], note: str = "", left_out: int = 0, kind: str = "daily", language: str = SOURCE
) -> bytes:
    issue = an_issue(papers, note, kind=kind)
    return a_composer(issue, language=language).compose(a_draft(issue, everything_in(issue, left_out))).envelope.message


def a_notice(context: MailContext = CONTEXT) -> Issue:
    issue = an_issue((), context=context, kind=IssueKind.NOTICE)
    texts = {
        "en": NoticeText(
            "We move on Monday", "The address changes. Please read this:\n\nhttps://papers.example.org/moving"
        ),
        "zh-CN": NoticeText("我们周一搬家", "网址会改变。请看：\n\nhttps://papers.example.org/moving"),
    }
    return replace(issue, settings=replace(issue.settings, notice=texts))


def notice_bytes(language: str = SOURCE) -> bytes:
    issue = a_notice()
    draft = a_draft(issue, Selection((), language=language))
    return a_composer(issue, language=language).compose(draft).envelope.message


def parts_of(message: bytes) -> MessageParts:
    """The text of a message as a person reads it."""
    parsed = email.message_from_bytes(message, policy=default)
    assert isinstance(parsed, EmailMessage)
    text, html = (parsed.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    read = [part.get_content().replace("\r\n", "\n") for part in (text, html)]
    return MessageParts(str(parsed["Subject"]), *read)


def a_digest(papers: Iterable[Paper], note: str = "", left_out: int = 0) -> MessageParts:
    return parts_of(digest_bytes(papers, note, left_out))


@cache  # half a second of CPU
def every_message(language: str = SOURCE) -> dict[Kind, bytes]:
    renderer = RENDERER.speaking(language)
    transactional = {
        kind: message_bytes(renderer.render(kind, LINKS, BRANDING), headers(kind=kind))
        for kind, row in KINDS.items()
        if not row.is_listed
    }
    ten = [a_paper(number) for number in range(1, 11)]
    of_issues = {
        mail: digest_bytes(ten, left_out=3, kind=issue, language=language)
        for issue, mail in OF_ISSUE.items()
        if issue is not IssueKind.NOTICE
    }
    return of_issues | {Kind.NOTICE: notice_bytes(language)} | transactional


@cache
def parts_of_every_kind() -> dict[Kind, MessageParts]:
    return {kind: parts_of(message) for kind, message in every_message().items()}


def headers(**changes: Any) -> Headers:
    values = Headers(
        sender="Daily Papers <digest@papers.example.org>",
        to="reader@example.com",
        date=datetime(2026, 11, 23, 7, tzinfo=UTC),
        message_id="digest.1@papers.example.org",
        kind=Kind.DIGEST,
        occasion="2026-11-23",
        unsubscribe_url=LINKS.unsubscribe_url,
        archive_url=f"{SITE}/issues" if KINDS[changes.get("kind", Kind.DIGEST)].is_listed else "",
        reply_to="Editors <hello@example.org>",
    )
    return replace(values, **changes)


def message_parts(**changes: Any) -> MessageParts:
    return replace(MessageParts("10 papers, 23 Nov", "Hello\n", "<!DOCTYPE html><p>Hello</p>\n"), **changes)
