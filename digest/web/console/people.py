"""Subscribers: finding one, everything that happened with them, and what an operator may do for them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated

from fastapi import HTTPException, Path, Query, Response

from digest import clock
from digest.database.engine import read_only
from digest.issues.story import story
from digest.ledger import events
from digest.subscribers import store, subscriptions
from digest.subscribers.addresses import BadAddress, normalise
from digest.subscribers.imports import Import, RowOutcome, import_rows
from digest.subscribers.preferences import value
from digest.subscribers.subscriber import Subscriber, event_subject, recipient_key
from digest.subscribers.suppressions import lift_by_hand, suppress_by_hand
from digest.text import parse_date
from digest.web.console.access import AnyRole, ConsoleRouter, OperatorOnly, Visitor, go_to
from digest.web.console.actions import reason_in
from digest.web.console.operators_log import details_of
from digest.web.console.past_issues import Before
from digest.web.site import Posted

router = ConsoleRouter()

_ROWS, _EVENTS = 50, 50
_LONGEST_PAUSE = timedelta(days=366)
_PERSON = "/subscribers/{number}"
_HOW = "operator"  # they unsubscribed
Number = Annotated[int, Path(ge=1, le=2**62)]
Change = Callable[[Subscriber], bool]


@router.page("/subscribers")
def list_subscribers(
    visitor: AnyRole,
    q: Annotated[str, Query(max_length=254)] = "",
    after: Annotated[str, Query(max_length=254)] = "",
    before: Before = None,
) -> Response:
    """The newest, or those whose address begins with `q`."""
    q = q.strip()
    with read_only(visitor.site.engine) as connection:
        if q:
            found = store.beginning_with(connection, q, _ROWS + 1, after)
            whole = store.by_key(connection, key) if (key := _key(visitor, q)) and not after else None
            if whole and whole not in found:  # its capitals may differ
                found.insert(0, whole)
        else:
            found = store.newest(connection, _ROWS + 1, before)
    return _list(visitor, q, found)


def _list(visitor: Visitor, q: str, found: list[Subscriber], problem: str = "") -> Response:
    shown = found[:_ROWS]
    return visitor.show(
        "subscribers",
        400 if problem else 200,
        q=q,
        subscribers=shown,
        last=shown[-1] if len(found) > _ROWS else None,
        problem=problem,
    )


def _key(visitor: Visitor, address: str) -> str:
    """The recipient key of a whole address; "" for the beginning of one."""
    try:
        return recipient_key(normalise(address, visitor.site.settings.own_domains), visitor.site.secret)
    except BadAddress:
        return ""


@router.page(_PERSON)
def show_subscriber(visitor: AnyRole, number: Number) -> Response:
    """Consent, messages with their replies, feedback, the next digest and what was recorded."""
    settings, now = visitor.site.settings, clock.now()
    with read_only(visitor.site.engine) as connection:
        subscriber = _stored(visitor, number)
        recorded = events.latest(connection, _EVENTS, event_subject(subscriber.key))
        told = story(connection, subscriber.key, settings.cut_at, now)
        others = store.other_consents(connection, number)
    return visitor.show(
        "subscriber",
        person=subscriber,
        story=told,
        consents=[subscriber.consent, *reversed(others)],
        history=[(each, details_of(each)) for each in recorded],
        tomorrow=now.date() + timedelta(days=1),
    )


# --- what operators do ---


@router.action("/subscribers/add")
def add_subscriber(visitor: OperatorOnly, form: Posted) -> Response:
    """Ask an address to confirm; with the source of their consent, subscribe it at once."""
    settings, consented, address = visitor.site.settings, _line(form, "consented"), value(form, "address")
    languages = visitor.site.pages.languages.codes
    how = Import(consented, clock.now(), visitor.site.secret, settings.own_domains, languages)
    report = import_rows(visitor.site.engine, [[("email", address)]], how)
    if report.bad:
        return _list(visitor, "", [], f"{address[:100]}: {report.bad[0].problem}")
    done = ("added-confirmed" if consented else "added") if report.counts[RowOutcome.NEW] else "not-added"
    answer = go_to(visitor.site, f"/subscribers?done={done}")
    answer.background = visitor.site.hint_later()
    return answer


@router.action(_PERSON + "/pause")
def pause_subscriber(visitor: OperatorOnly, form: Posted, number: Number) -> Response:
    """They get no issue before a date."""
    until, today = parse_date(value(form, "until")), clock.now().date()
    if until is None or not today < until <= today + _LONGEST_PAUSE:
        raise HTTPException(400)
    return _change(visitor, number, "subscriber-paused", lambda person: _set_pause(visitor, person, until))


@router.action(_PERSON + "/resume")
def resume_subscriber(visitor: OperatorOnly, number: Number) -> Response:
    return _change(visitor, number, "subscriber-resumed", lambda person: _set_pause(visitor, person, None))


def _set_pause(visitor: Visitor, person: Subscriber, until: date | None) -> bool:
    preferences = replace(person.preferences, paused_until=until)
    return subscriptions.change_preferences(visitor.site.engine, person.id, preferences, clock.now())


@router.action(_PERSON + "/unsubscribe")
def unsubscribe(visitor: OperatorOnly, number: Number) -> Response:
    engine = visitor.site.engine
    return _change(
        visitor,
        number,
        "unsubscribed",
        lambda person: subscriptions.unsubscribe(engine, person.id, clock.now(), _HOW),
    )


@router.action(_PERSON + "/resubscribe")
def resubscribe(visitor: OperatorOnly, form: Posted, number: Number) -> Response:
    """Subscribe someone again who has said so; where they said it is recorded as their consent."""
    consented = _line(form, "consented")
    if not consented:
        raise HTTPException(400)
    engine, how = visitor.site.engine, f"{_HOW}: {consented}"
    return _change(
        visitor,
        number,
        "resubscribed",
        lambda person: subscriptions.resubscribe_with_consent(engine, person.id, how, clock.now()),
    )


@router.action(_PERSON + "/suppress")
def suppress_subscriber(visitor: OperatorOnly, form: Posted, number: Number) -> Response:
    engine, why = visitor.site.engine, reason_in(form)
    return _change(visitor, number, "suppressed", lambda person: suppress_by_hand(engine, person.key, why, clock.now()))


@router.action(_PERSON + "/lift")
def lift_suppression(visitor: OperatorOnly, number: Number) -> Response:
    engine = visitor.site.engine
    return _change(visitor, number, "lifted", lambda person: lift_by_hand(engine, person.key, clock.now()))


def _change(visitor: Visitor, number: int, done: str, change: Change) -> Response:
    changed = change(_stored(visitor, number))
    return go_to(visitor.site, f"/subscribers/{number}?done={done if changed else 'unchanged'}")


def _stored(visitor: Visitor, number: int) -> Subscriber:
    """Raises HTTPException 404 for nobody."""
    subscriber = subscriptions.find(visitor.site.engine, number)
    if subscriber is None:
        raise HTTPException(404)
    return subscriber


def _line(form: Posted, name: str) -> str:
    return " ".join(value(form, name).split())[:200]
