"""Every kind of message as subscribers get it, with the papers of the newest issue; and what one subscriber gets."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Query, Response
from jinja2 import TemplateError
from sqlalchemy import Connection

from digest import clock
from digest.database.engine import read_only
from digest.issues.issue import Issue, NoticeText
from digest.issues.store import issue_by_id, newest_issue_id
from digest.ledger.kinds import LISTED, RULES, IssueKind, Kind
from digest.mail.message import UnfitMessage
from digest.mail.notices import as_issue
from digest.mail.preview import preview_first_issue, preview_message, preview_transactional
from digest.papers.paper import RankedPaper
from digest.settings.composing import frozen_settings
from digest.subscribers import store
from digest.subscribers.addresses import BadAddress, normalise
from digest.subscribers.subscriber import Subscriber, recipient_key
from digest.web.console.access import AnyRole, ConsoleRouter, Visitor
from digest.web.console.mail.frames import framed, view_of

router = ConsoleRouter()

_EVER = timedelta(days=36_500)
_PAPERS = 12  # of an issue, so that a page does not render hundreds of cards
_NOTICE = {"en": NoticeText("We move on Monday", "The address of these pages changes.\n\nNothing else does.")}
_LONG = "Attention, quantization and a title that is so long that it needs three lines on a small telephone: " * 3


class Papers(StrEnum):
    """The papers in a preview of an issue."""

    CURRENT = "current"
    FIRST = "first issue"  # the current ones, with the welcome above them
    ODD = "long titles, no abstracts"
    ONE = "one paper"


@dataclass(frozen=True, slots=True)
class WantedMessage:
    """The message that a page shows. `address`: of the subscriber who would get it; "" for a sample."""

    kind: Kind = Kind.DIGEST
    language: str = ""
    papers: Papers = Papers.CURRENT
    address: str = ""

    @property
    def query(self) -> str:
        values = {"kind": self.kind, "language": self.language, "papers": self.papers, "subscriber": self.address}
        return "&" + urlencode({name: str(text) for name, text in values.items()})


class NoPreview(Exception):
    """There is no such message now; the text says why."""


def _wanted(
    visitor: AnyRole,
    kind: Kind = Kind.DIGEST,
    language: Annotated[str, Query(max_length=20)] = "",
    papers: Papers = Papers.CURRENT,
    subscriber: Annotated[str, Query(max_length=254)] = "",
) -> WantedMessage:
    code = language if language in visitor.site.pages.languages.codes else visitor.site.settings.language
    return WantedMessage(kind, code, papers, subscriber.strip())


TheWanted = Annotated[WantedMessage, Depends(_wanted)]


@router.page("/templates")
def show_template(visitor: AnyRole, wanted: TheWanted) -> Response:
    """A message in four frames, its text and headers, its size, and what lint says about it."""
    values: dict[str, Any] = {"message": None, "problem": ""}
    try:
        values["message"] = view_of(_message(visitor, wanted))
    except NoPreview as problem:
        values["problem"] = str(problem)
    codes = visitor.site.pages.languages.codes
    return visitor.show("templates", wanted=wanted, kinds=list(Kind), codes=codes, papers=list(Papers), **values)


@router.page("/templates/frame")
def show_frame(visitor: AnyRole, wanted: TheWanted, dark: bool = False) -> Response:
    try:
        return framed(_message(visitor, wanted), dark)
    except NoPreview:
        raise HTTPException(404) from None


def _message(visitor: Visitor, wanted: WantedMessage) -> bytes:
    """Raises NoPreview."""
    try:
        message = _composed(visitor, wanted)
    except (UnfitMessage, TemplateError) as problem:
        raise NoPreview(f"It cannot be composed: {problem}") from None
    if message is None:
        raise NoPreview("They would get no message of the newest issue: they have its papers already, or it is empty.")
    return message


def _composed(visitor: Visitor, wanted: WantedMessage) -> bytes | None:
    site, now = visitor.site, clock.now()
    with read_only(site.engine) as connection:
        subscriber = _subscriber(connection, visitor, wanted.address) if wanted.address else None
        issue = _issue(connection, visitor, wanted, is_whole=subscriber is not None)
    if issue is None:
        return preview_transactional(site.mail(), wanted.kind, subscriber, now, wanted.language)
    if subscriber is None and wanted.papers is Papers.FIRST:
        return preview_first_issue(site.engine, site.mail(), issue, now, wanted.language)
    return preview_message(site.engine, site.mail(), issue, subscriber, now, wanted.language)


def _subscriber(connection: Connection, visitor: Visitor, address: str) -> Subscriber:
    settings = visitor.site.settings
    try:
        key = recipient_key(normalise(address, settings.own_domains), visitor.site.secret)
    except BadAddress:
        raise NoPreview("That is not an email address.") from None
    subscriber = store.by_key(connection, key)
    if subscriber is None:
        raise NoPreview("Nobody has this address.")
    return subscriber


def _issue(connection: Connection, visitor: Visitor, wanted: WantedMessage, is_whole: bool) -> Issue | None:
    """The newest issue that the kind is sent from, with the papers that are wanted; None if it belongs to no issue."""
    settings, now = visitor.site.settings, clock.now()
    if wanted.kind not in LISTED:
        return None
    if wanted.kind is Kind.NOTICE:
        return as_issue(_NOTICE, frozen_settings(settings, signs=False), now)
    kind = IssueKind(RULES[wanted.kind].issue or IssueKind.DAILY)
    newest = newest_issue_id(connection, now, _EVER, kind) or newest_issue_id(connection, now, _EVER)
    if newest is None:
        raise NoPreview("No issue was cut yet.")
    issue = issue_by_id(connection, newest[0], whole=is_whole)
    unsigned = replace(issue, settings=replace(issue.settings, dkim=()))
    return unsigned if is_whole else replace(unsigned, kind=kind, papers=_papers(unsigned, wanted.papers))


def _papers(issue: Issue, wanted: Papers) -> tuple[RankedPaper, ...]:
    shown = issue.papers[: 1 if wanted is Papers.ONE else _PAPERS]
    if wanted is not Papers.ODD:
        return shown
    return tuple(
        replace(ranked, paper=replace(ranked.paper, title=f"{_LONG}{ranked.paper.title}", abstract="", authors=()))
        for ranked in shown
    )
