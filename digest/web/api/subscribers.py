"""Subscribers: read, add, change and unsubscribe them."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from digest import clock
from digest.database.engine import read_only
from digest.ledger.kinds import Status
from digest.monitoring.api_tokens import TokenScope
from digest.subscribers import store, subscriptions
from digest.subscribers.imports import Import, RowOutcome, import_rows
from digest.subscribers.paper_feedback import has_liked
from digest.subscribers.subscriber import Preferences, Subscriber, recipient_key
from digest.web.api.access import PATH, ApiRouter, Caller, TheCaller
from digest.web.api.addresses import key_of, valid_address
from digest.web.api.paging import ResourcePage, ThePart
from digest.web.api.preferences import PreferencesChange, PreferencesResource, changed_preferences
from digest.web.api.problems import ApiProblem, invalid_fields
from digest.web.api.values import AddressText, Number, RequestBody, Words

router = ApiRouter(tags=["subscribers"])

_HOW = "api"  # they unsubscribed
_ONE = "/subscribers/{id}"
_Number = Annotated[Number, Path(alias="id")]


class ConsentResource(BaseModel):
    """The proof that someone asked for these messages."""

    requested_at: datetime
    form: str = Field(description='The form of the site, or "import: …".')
    confirmed_at: datetime | None


class SubscriberResource(BaseModel):
    """An address that asked to subscribe."""

    id: int
    address: str
    key: str = Field(description="The keyed hash of the address, by which deliveries and suppressions refer to it.")
    status: Status
    created_at: datetime
    changed_at: datetime = Field(description="When the status last changed.")
    consent: ConsentResource
    preferences: PreferencesResource


class SubscriberPage(ResourcePage):
    """Part of the list of subscribers."""

    items: list[SubscriberResource]


class NewSubscriber(RequestBody):
    """Someone to subscribe."""

    address: AddressText
    consented: Words = Field(
        "",
        description="The source of their consent, such as “list at the fair, 2026-03”; else they are asked to confirm.",
    )
    preferences: PreferencesChange = Field(PreferencesChange(), description="Those that differ from the defaults.")


def _resource(subscriber: Subscriber) -> SubscriberResource:
    consent = subscriber.consent
    return SubscriberResource(
        id=subscriber.id,
        address=subscriber.email,
        key=subscriber.key,
        status=subscriber.status,
        created_at=subscriber.created_at,
        changed_at=subscriber.changed_at,
        consent=ConsentResource(
            requested_at=consent.requested_at, form=consent.form, confirmed_at=consent.confirmed_at
        ),
        preferences=PreferencesResource.of(subscriber.preferences),
    )


@router.read(TokenScope.SUBSCRIBERS_READ, "/subscribers", errors=[404])
def list_subscribers(
    caller: TheCaller,
    part: ThePart,
    status: Status | SkipJsonSchema[None] = None,
    address: Annotated[str, Query(max_length=254, description="Only the subscriber with this address.")] = "",
) -> SubscriberPage:
    """List subscribers, newest first."""
    before = part.after(int)
    with read_only(caller.site.engine) as connection:
        if address:
            subscriber = store.by_key(connection, key) if (key := key_of(caller, address)) else None
            listed = [subscriber] if subscriber and status in (None, subscriber.status) and not before else []
        else:
            listed = store.newest(connection, part.wanted, before[0] if before else None, status)
    shown, following = part.cut(listed, lambda each: (each.id,))
    return SubscriberPage(items=[_resource(each) for each in shown], next=following)


@router.read(TokenScope.SUBSCRIBERS_READ, _ONE)
def show_subscriber(caller: TheCaller, number: _Number) -> SubscriberResource:
    """Show a subscriber."""
    return _resource(_stored(caller, number))


@router.write(
    TokenScope.SUBSCRIBERS_WRITE,
    "POST",
    "/subscribers",
    status_code=201,
    errors=[409],
    responses={200: {"description": "They were stored before; nothing changed.", "model": SubscriberResource}},
)
def add_subscriber(caller: TheCaller, body: NewSubscriber, response: Response) -> SubscriberResource:
    """Ask an address to confirm; with the source of their consent, subscribe it at once.

    Sending it twice does no more than sending it once. 409: the address is suppressed, has left or was asked too often.
    """
    site, now = caller.site, clock.now()
    languages = site.pages.languages.codes
    preferences = changed_preferences(body.preferences, Preferences(), now, languages, "/preferences")
    address = valid_address(caller, body.address)
    how = Import(body.consented, now, site.secret, site.settings.own_domains, languages, preferences=preferences)
    report = import_rows(site.engine, [[("email", address)]], how)
    if report.bad:
        raise invalid_fields([("/address", report.bad[0].problem)])  # only what valid_address() overlooked
    for outcome in (RowOutcome.SUPPRESSED, RowOutcome.LEFT, RowOutcome.ASKED):
        if report.counts[outcome]:
            raise ApiProblem(409, f"Nothing changed: {_REFUSED[outcome]}.", reason=str(outcome))
    with read_only(site.engine) as connection:
        subscriber = store.by_key(connection, recipient_key(address, site.secret))
    if subscriber is None:  # deleted at this moment
        raise ApiProblem(409, "Nothing changed: the address was deleted meanwhile.", reason="deleted")
    site.hint()
    response.status_code = 201 if report.counts[RowOutcome.NEW] else 200
    response.headers["Location"] = f"{site.settings.public_url}{PATH}/subscribers/{subscriber.id}"
    return _resource(subscriber)


_REFUSED = {
    RowOutcome.SUPPRESSED: "the address is suppressed",
    RowOutcome.LEFT: "they have unsubscribed, and subscribe again by themselves",
    RowOutcome.ASKED: "the address was asked to confirm too often",
}


@router.write(TokenScope.SUBSCRIBERS_WRITE, "PATCH", _ONE + "/preferences")
def change_preferences(caller: TheCaller, number: _Number, body: PreferencesChange) -> SubscriberResource:
    """Change preferences; those left out stay as they are. They apply from the next issue."""
    now, subscriber = clock.now(), _stored(caller, number)
    with read_only(caller.site.engine) as connection:
        likes = has_liked(connection, number)
    languages = caller.site.pages.languages.codes
    changed = changed_preferences(body, subscriber.preferences, now, languages, has_liked=likes)
    subscriptions.change_preferences(caller.site.engine, number, changed, now)
    return _resource(_stored(caller, number))


@router.write(TokenScope.SUBSCRIBERS_WRITE, "POST", _ONE + "/unsubscribe")
def unsubscribe(caller: TheCaller, number: _Number) -> SubscriberResource:
    """Unsubscribe someone. Doing it twice changes nothing more."""
    _stored(caller, number)
    subscriptions.unsubscribe(caller.site.engine, number, clock.now(), _HOW)
    return _resource(_stored(caller, number))


def _stored(caller: Caller, number: int) -> Subscriber:
    """Raises ApiProblem 404 for nobody."""
    subscriber = subscriptions.find(caller.site.engine, number)
    if subscriber is None:
        raise ApiProblem(404, "There is no such subscriber.")
    return subscriber
