"""API tokens: the programs that may use the API, what each may do, and making one."""

from fastapi import Response

from digest import clock
from digest.database.engine import read_only, transaction
from digest.monitoring import api_tokens
from digest.monitoring.api_tokens import DAYS, InvalidToken, TokenScope
from digest.subscribers.preferences import value
from digest.web.console.access import AnyRole, ConsoleRouter, OperatorOnly, Visitor, go_to
from digest.web.site import Posted

router = ConsoleRouter()


@router.page("/api-tokens")
def list_tokens(visitor: AnyRole) -> Response:
    return _list(visitor)


def _list(visitor: Visitor, token: str = "", problem: str = "", status: int = 200) -> Response:
    with read_only(visitor.site.engine) as connection:
        listed = api_tokens.all_tokens(connection)
    now = clock.now()
    tokens = [(each, each.state(now), sorted(each.scopes)) for each in listed]
    return visitor.show(
        "api_tokens", status, tokens=tokens, token=token, problem=problem, scopes=list(TokenScope), days=DAYS
    )


@router.action("/api-tokens/create")
def create_token(visitor: OperatorOnly, form: Posted) -> Response:
    """Show the token on the answer itself: it is stored nowhere, and no address may name it."""
    days = value(form, "days")
    try:
        number = int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0
        wanted = api_tokens.wanted_token(value(form, "name"), form.get("scope", []), number)
    except InvalidToken as problem:
        return _list(visitor, problem=f"{problem}.", status=400)
    with transaction(visitor.site.engine) as connection:
        token = api_tokens.create(connection, wanted, visitor.name, clock.now())
    if token is None:
        return _list(visitor, problem="A token of this name was made before. Choose another name.", status=400)
    return _list(visitor, token)


@router.action("/api-tokens/revoke")
def revoke_token(visitor: OperatorOnly, form: Posted) -> Response:
    with transaction(visitor.site.engine) as connection:
        changed = api_tokens.revoke(connection, value(form, "name"), clock.now())
    return go_to(visitor.site, f"/api-tokens?done={'token-revoked' if changed else 'unchanged'}")
