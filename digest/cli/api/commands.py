"""The commands api-tokens create, list and revoke: programs that may use the API."""

from dataclasses import asdict
from typing import Annotated

import typer

from digest import clock
from digest.cli.lookup import open_database, reading
from digest.cli.options import DryRun, operator
from digest.cli.output import NotReady, answer, report, table, with_json

api_tokens = typer.Typer(help="The tokens with which programs use the API at /api/v1.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the program.")]


def _scopes_to_complete(incomplete: str) -> list[str]:
    from digest.monitoring.api_tokens import TokenScope

    return [scope for scope in TokenScope if scope.startswith(incomplete)]


@api_tokens.command()
@with_json
def create(
    name: Name,
    scope: Annotated[
        list[str],
        typer.Option(
            help="A scope, such as subscribers:read; repeat it for several.",
            metavar="SCOPE",
            autocompletion=_scopes_to_complete,
        ),
    ],
    days: Annotated[int, typer.Option(help="Days until it expires.")] = 90,
    dry_run: DryRun = False,
) -> None:
    """Print a new token. This is the only time that it is shown; it belongs to the operator who makes it."""
    from digest.database.engine import transaction
    from digest.monitoring import api_tokens as tokens

    try:
        wanted = tokens.wanted_token(name, scope, days)
    except tokens.InvalidToken as problem:
        raise typer.BadParameter(str(problem)) from None
    document = {"name": wanted.name, "scopes": sorted(wanted.scopes), "days": days, "dry_run": dry_run}
    with reading() as connection:
        if tokens.token_named(connection, wanted.name):
            raise _taken(wanted.name)
    if dry_run:
        return report(document, f"A token {wanted.name} would be made for {', '.join(sorted(wanted.scopes))}.")
    with transaction(open_database()) as connection:
        token = tokens.create(connection, wanted, operator(), clock.now())
    if token is None:
        raise _taken(wanted.name)
    return answer(document | {"token": token}, lambda: [token])


@api_tokens.command("list")
@with_json
def list_tokens() -> None:
    """List the tokens, also those that have ended."""
    from digest.monitoring import api_tokens as tokens

    now = clock.now()
    with reading() as connection:
        listed = tokens.all_tokens(connection)
    rows = [("name", "token", "state", "expires", "last used", "by", "scopes")]
    for each in listed:
        used = f"{each.last_used_at:%Y-%m-%d}" if each.last_used_at else "never"
        scopes = ", ".join(sorted(each.scopes))
        rows.append((each.name, f"{each.begins}…", each.state(now), f"{each.expires_at:%Y-%m-%d}", used,
                     each.created_by, scopes))  # fmt: skip
    documents = [asdict(each) | {"state": each.state(now)} for each in listed]
    none = ["There is no API token. To make one: digest api-tokens create NAME --scope SCOPE"]
    answer(documents, lambda: table(rows, sentences=True) if listed else none)


@api_tokens.command()
@with_json
def revoke(name: Name, dry_run: DryRun = False) -> None:
    """End a token at once and for good."""
    from digest.database.engine import transaction
    from digest.monitoring import api_tokens as tokens

    with transaction(open_database()) as connection:
        token = tokens.token_named(connection, name)
        if token is None:
            raise NotReady(f"There is no API token {name!r}. To list them: digest api-tokens list")
        if not dry_run:
            tokens.revoke(connection, name, clock.now())
    report({"name": name, "dry_run": dry_run}, f"The token {name} {'would be' if dry_run else 'is'} revoked.")


def _taken(name: str) -> NotReady:
    return NotReady(f"A token {name!r} was made before, and the log names it. Choose another name, such as {name}-2.")
