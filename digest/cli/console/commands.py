"""The commands console link, operators and remove: access to the console."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from digest import clock
from digest.cli.lookup import open_database, reading, valid_address
from digest.cli.options import DryRun
from digest.cli.output import NotReady, answer, complain, progress, report, table, with_json
from digest.settings import settings

console = typer.Typer(help="Who may sign in to the console at /console.", no_args_is_help=True)


def _name(text: str) -> str:
    from digest.monitoring.operators import InvalidName, valid_name

    try:
        return valid_name(text)
    except InvalidName as problem:
        raise typer.BadParameter(str(problem)) from None


@console.command()
@with_json
def link(
    name: Annotated[str, typer.Option("--operator", metavar="NAME", parser=_name, help="Name of the person.")],
    role: Annotated[
        Literal["viewer", "operator"] | None,
        typer.Option(
            help="viewer: may see everything; operator: may also act.",
            show_default="as before; operator for a new person",
        ),
    ] = None,
    email: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help='Address for links by email; "" for nowhere.', show_default="as before"),
    ] = None,
    mail: Annotated[bool, typer.Option("--mail", help="Mail a link as well, to the stored address.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Print a link that signs a person in to the console, once and within 15 minutes. Adds the person if new."""
    from digest.database.engine import transaction
    from digest.monitoring import operators

    now = clock.now()
    with reading() as connection:
        before = operators.role_of(connection, name)
    wanted = operators.OperatorRole(role or before or "operator")
    address = valid_address(email) if email else email
    document: dict[str, Any] = {"operator": name, "role": wanted, "was": before, "email": address, "dry_run": dry_run}
    if dry_run:
        change = f"would be made {wanted}" if before else f"would be added as {wanted}"
        change = "" if before is wanted else f" {name} {change}."
        mailed = f" One would be mailed to {address or 'the stored address'}." if mail else ""
        return report(document, f"A link for {name} would be printed.{mailed}{change}")
    with transaction(open_database()) as connection:
        secret = operators.make_link(connection, name, wanted, now)
        if address is not None:
            operators.set_address(connection, name, address, now)
    link = f"{settings().public_url}/console/sign-in/{secret}"
    answer(document | {"link": link, "expires_at": now + operators.LINK_LIFETIME}, lambda: [link])
    return _mail(name) if mail else None


def _mail(name: str) -> None:
    """Exit code 1 if the link could not be mailed."""
    from digest.monitoring.sign_in_mail import mail_link

    problem = mail_link(open_database(), settings(), name)
    if problem is None:
        problem = f"no address is stored. Run: digest console link --operator {name} --email ADDRESS --mail"
    if problem:
        complain(f"The link could not be mailed: {problem}", 1)
    progress(f"Another link is on its way by email to {name}.")


@console.command("operators")
@with_json
def list_operators() -> None:
    """List the people who may sign in."""
    from digest.monitoring.operators import all_operators

    with reading() as connection:
        listed = all_operators(connection, clock.now())
    rows = [("name", "role", "added", "sessions", "last seen", "address")]
    for each in listed:
        seen = f"{each.seen_at:%Y-%m-%d %H:%M}" if each.seen_at else ""
        rows.append((each.name, each.role, f"{each.added_at:%Y-%m-%d}", str(each.sessions), seen, each.email or ""))
    answer([asdict(each) for each in listed], lambda: table(rows))


@console.command()
@with_json
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the person.")], dry_run: DryRun = False
) -> None:
    """Remove a person: their sessions, links and API tokens end at once."""
    from digest.database.engine import transaction
    from digest.monitoring import api_tokens, operators

    with transaction(open_database()) as connection:
        if operators.role_of(connection, name) is None:
            raise NotReady(f"There is no operator {name!r}. To list them: digest console operators")
        tokens = api_tokens.names_of(connection, name)
        if not dry_run:
            operators.remove(connection, name, clock.now())
    would = "would be" if dry_run else "is"
    ended = f" Their API tokens {'would be' if dry_run else 'are'} revoked: {', '.join(tokens)}." if tokens else ""
    report({"operator": name, "api_tokens": tokens, "dry_run": dry_run}, f"{name} {would} removed.{ended}")
