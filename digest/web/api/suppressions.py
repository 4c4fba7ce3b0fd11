"""Addresses that get no email."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BaseModel, Field

from digest import clock
from digest.database.engine import read_only
from digest.monitoring.api_tokens import TokenScope
from digest.subscribers.subscriber import recipient_key
from digest.subscribers.suppressions import (
    Suppression,
    all_suppressions,
    lift_by_hand,
    suppress_by_hand,
    suppression_with,
)
from digest.web.api.access import PATH, ApiRouter, TheCaller
from digest.web.api.addresses import key_of, valid_address
from digest.web.api.paging import ResourcePage, ThePart
from digest.web.api.problems import ApiProblem
from digest.web.api.values import AddressText, ReasonGiven, RecipientKey

router = ApiRouter(tags=["suppressions"])

_ONE = "/suppressions/{key}"
_Key = Annotated[RecipientKey, Path(description="Recipient key.")]


class SuppressionResource(BaseModel):
    """An address that gets no email."""

    key: str = Field(description="The keyed hash of the address.")
    reason: str = Field(
        description="refused (by its mail server), asked (by its owner), complained (about spam) or operator."
    )
    detail: str
    created_at: datetime
    source: str = Field(description='Source, such as “smtp” or “maildir”; "" if a person did it.')
    expires_at: datetime | None = Field(description="When it expires; null: never.")
    address: str | None = Field(description="null where no subscriber with it is stored: only the hash is known.")


class SuppressionPage(ResourcePage):
    """Part of the list of suppressions."""

    items: list[SuppressionResource]


class NewSuppression(ReasonGiven):
    """An address to suppress."""

    address: AddressText


def _resource(suppression: Suppression) -> SuppressionResource:
    return SuppressionResource(
        key=suppression.key,
        reason=suppression.reason,
        detail=suppression.detail,
        created_at=suppression.created_at,
        source=suppression.source,
        expires_at=suppression.expires_at,
        address=suppression.address,
    )


@router.read(TokenScope.SUPPRESSIONS_READ, "/suppressions", errors=[404])
def list_suppressions(
    caller: TheCaller,
    part: ThePart,
    address: Annotated[str, Query(max_length=254, description="Only the suppression of this address.")] = "",
) -> SuppressionPage:
    """List suppressions, newest first."""
    before = part.after(datetime, str)
    with read_only(caller.site.engine) as connection:
        if address:
            one = suppression_with(connection, key) if (key := key_of(caller, address)) else None
            listed = [one] if one and not before else []
        else:
            listed = all_suppressions(connection, part.wanted, before)
    shown, following = part.cut(listed, lambda each: (each.created_at, each.key))
    return SuppressionPage(items=[_resource(each) for each in shown], next=following)


@router.read(TokenScope.SUPPRESSIONS_READ, _ONE)
def show_suppression(caller: TheCaller, key: _Key) -> SuppressionResource:
    """Show the suppression of an address."""
    with read_only(caller.site.engine) as connection:
        suppression = suppression_with(connection, key)
    if suppression is None:
        raise _none()
    return _resource(suppression)


@router.write(
    TokenScope.SUPPRESSIONS_WRITE,
    "POST",
    "/suppressions",
    status_code=201,
    responses={200: {"description": "It was suppressed before; nothing changed.", "model": SuppressionResource}},
    errors=[409],
)
def suppress_address(caller: TheCaller, body: NewSuppression, response: Response) -> SuppressionResource:
    """Never email an address again. Doing it twice changes nothing more."""
    site = caller.site
    key = recipient_key(valid_address(caller, body.address), site.secret)
    changed = suppress_by_hand(site.engine, key, " ".join(body.reason.split()), clock.now())
    with read_only(site.engine) as connection:
        suppression = suppression_with(connection, key)
    if suppression is None:  # lifted at this moment
        raise ApiProblem(409, "The suppression was lifted meanwhile.", reason="lifted")
    response.status_code = 201 if changed else 200
    response.headers["Location"] = f"{site.settings.public_url}{PATH}/suppressions/{key}"
    return _resource(suppression)


@router.write(TokenScope.SUPPRESSIONS_WRITE, "DELETE", _ONE, status_code=204, response_class=Response)
def lift_suppression(caller: TheCaller, key: _Key) -> None:
    """Allow email to an address again."""
    if not lift_by_hand(caller.site.engine, key, clock.now()):
        raise _none()


def _none() -> ApiProblem:
    return ApiProblem(404, "This address is not suppressed.")
