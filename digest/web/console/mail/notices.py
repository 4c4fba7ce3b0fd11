"""Notices to all subscribers: writing one, looking at it, testing it, and sending it."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import HTTPException, Path, Response
from starlette.background import BackgroundTask

from digest import clock
from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.mail import notices
from digest.mail.notices import BadNotice, Notice, NoticeState, SentLately
from digest.mail.preview import preview_message, sample_envelope
from digest.monitoring.direct_mail import send_directly
from digest.settings.composing import frozen_settings, mail_context
from digest.subscribers.addresses import BadAddress, normalise
from digest.subscribers.preferences import Form, value
from digest.web.console.access import THROUGH, AnyRole, ConsoleRouter, OperatorOnly, Visitor, go_to
from digest.web.console.mail.frames import framed, view_of
from digest.web.console.operators_log import details_of
from digest.web.console.past_issues import Before
from digest.web.site import Posted, Site

router = ConsoleRouter()

_ROWS, _EVENTS = 30, 30
_DRIFT = 10  # the audience may have changed by a tenth, or by this, since the page was shown
_NOTICE = "/notices/{number}"
Number = Annotated[int, Path(ge=1, le=2**62)]


@router.page("/notices")
def list_notices(visitor: AnyRole, before: Before = None) -> Response:
    """Newest first, with what became of each."""
    with read_only(visitor.site.engine) as connection:
        stored = notices.latest_notices(connection, _ROWS + 1, before)
    return visitor.show("notices", notices=stored[:_ROWS], older=stored[_ROWS - 1].id if len(stored) > _ROWS else None)


# --- writing ---


@router.page("/notices/new")
def new_notice(visitor: AnyRole) -> Response:
    return _form(visitor, "/notices/new", {})


@router.action("/notices/new")
def add_notice(visitor: OperatorOnly, form: Posted) -> Response:
    texts = _texts(visitor, form)
    try:
        checked = notices.checked(texts)
    except BadNotice as problem:
        return _form(visitor, "/notices/new", texts, str(problem))
    with transaction(visitor.site.engine) as connection:
        number = notices.add_notice(connection, checked, clock.now())
    return go_to(visitor.site, f"/notices/{number}?done=notice-kept")


@router.page(_NOTICE + "/edit")
def edit_notice(visitor: AnyRole, number: Number) -> Response:
    texts = _stored(visitor.site, number).texts
    return _form(visitor, f"/notices/{number}/edit", {code: (each.subject, each.text) for code, each in texts.items()})


@router.action(_NOTICE + "/edit")
def change_notice(visitor: OperatorOnly, number: Number, form: Posted) -> Response:
    texts = _texts(visitor, form)
    try:
        checked = notices.checked(texts)
    except BadNotice as problem:
        return _form(visitor, f"/notices/{number}/edit", texts, str(problem))
    with transaction(visitor.site.engine) as connection:
        changed = notices.change_notice(connection, number, checked, clock.now())
    return go_to(visitor.site, f"/notices/{number}?done={'notice-kept' if changed else 'unchanged'}")


def _texts(visitor: Visitor, form: Form) -> dict[str, tuple[str, str]]:
    codes = visitor.site.pages.languages.codes
    return {code: (value(form, f"subject-{code}"), value(form, f"text-{code}")) for code in codes}


def _form(visitor: Visitor, action: str, texts: Mapping[str, tuple[str, str]], problem: str = "") -> Response:
    languages = [visitor.site.pages.languages.get(code) for code in visitor.site.pages.languages.codes]
    languages.sort(key=lambda language: language.code != visitor.site.settings.language)
    return visitor.show(
        "notice_form",
        400 if problem else 200,
        action=action,
        texts=texts,
        languages=languages,
        problem=problem,
        longest=(notices.LONGEST_SUBJECT, notices.LONGEST_TEXT),
    )


# --- looking ---


@router.page(_NOTICE)
def show_notice(visitor: AnyRole, number: Number) -> Response:
    """Its message in each language with lint findings, the number of subscribers who get it, and its history."""
    site, now = visitor.site, clock.now()
    notice = _stored(site, number)
    with read_only(site.engine) as connection:
        is_draft = notice.state is NoticeState.DRAFT
        subscribers, left_out = notices.count_recipients(connection, now) if is_draft else (0, {})
        happened = events.latest(connection, _EVENTS, f"notice:{number}")
    return visitor.show(
        "notice",
        notice=notice,
        subscribers=subscribers,
        left_out=left_out,
        messages={code: view_of(_message(site, notice, code)) for code in sorted(notice.texts)},
        history=[(each, details_of(each)) for each in happened],
    )


@router.page(_NOTICE + "/preview/{language}")
def preview_notice(visitor: AnyRole, number: Number, language: str, dark: bool = False) -> Response:
    """Its HTML in one language, for a frame."""
    notice = _stored(visitor.site, number)
    if language not in notice.texts:
        raise HTTPException(404)
    return framed(_message(visitor.site, notice, language), dark)


def _message(site: Site, notice: Notice, language: str) -> bytes:
    now = clock.now()
    issue = notices.as_issue(notice.texts, frozen_settings(site.settings, signs=False), now)
    message = preview_message(site.engine, site.mail(), issue, None, now, language)
    assert message is not None
    return message


def _stored(site: Site, number: int) -> Notice:
    """Raises HTTPException 404 for a number without a notice."""
    with read_only(site.engine) as connection:
        notice = notices.notice_of(connection, number)
    if notice is None:
        raise HTTPException(404)
    return notice


# --- sending ---


@router.action(_NOTICE + "/send")
def send_notice(visitor: OperatorOnly, number: Number, form: Posted) -> Response:
    """Only with the number of subscribers that the page shows, typed by the operator."""
    typed, shown = (value(form, name).strip().replace(",", "") for name in ("typed", "shown"))
    with transaction(visitor.site.engine) as connection:
        now = clock.now()
        if not _is_number_of(typed, shown, notices.count_recipients(connection, now)[0]):
            return go_to(visitor.site, f"/notices/{number}?done=notice-number")
        try:
            is_sent = notices.send_notice(connection, number, now, value(form, "again") == "yes")
        except SentLately:
            return go_to(visitor.site, f"/notices/{number}?done=notice-lately")
    return go_to(visitor.site, f"/notices/{number}?done={'notice-sent' if is_sent else 'unchanged'}")


def _is_number_of(typed: str, shown: str, now: int) -> bool:
    if typed != shown or not (typed.isascii() and typed.isdecimal() and len(typed) < 12):
        return False
    return abs(int(typed) - now) <= max(_DRIFT, now // 10)


@router.action(_NOTICE + "/take-back")
def take_notice_back(visitor: OperatorOnly, number: Number) -> Response:
    with transaction(visitor.site.engine) as connection:
        is_back = notices.take_back(connection, number, clock.now())
    return go_to(visitor.site, f"/notices/{number}?done={'notice-back' if is_back else 'unchanged'}")


@router.action(_NOTICE + "/test")
def test_notice(visitor: OperatorOnly, number: Number, form: Posted) -> Response:
    """Send it to one address in one of its languages, once this answer is out."""
    notice, language = _stored(visitor.site, number), value(form, "language")
    try:
        address = normalise(value(form, "address"), visitor.site.settings.own_domains)
    except BadAddress:
        return go_to(visitor.site, f"/notices/{number}?done=bad-address")
    answer = go_to(visitor.site, f"/notices/{number}?done=notice-test")
    code = language if language in notice.texts else min(notice.texts)
    answer.background = BackgroundTask(_send_test, visitor, notice, address, code)
    return answer


def _send_test(visitor: Visitor, notice: Notice, address: str, language: str) -> None:
    """The result is an event of the notice, without the address."""
    site, now = visitor.site, clock.now()
    issue = notices.as_issue(notice.texts, frozen_settings(site.settings), now)
    envelope = sample_envelope(site.engine, mail_context(site.settings), issue, address, language, now)
    problem = send_directly(site.settings.relays, [envelope] if envelope else []).replace(address, "…")
    what = "test refused" if problem else "test accepted"
    with events.acting(visitor.name, THROUGH), transaction(site.engine) as connection:
        detail = {"reply": problem[:200]} if problem else {}
        events.record(connection, clock.now(), f"notice:{notice.id}", what, detail | {"language": language})
