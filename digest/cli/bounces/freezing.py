"""The command bounces unfreeze."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import open_database, reading
from digest.cli.options import DryRun
from digest.cli.output import NotReady, report, with_json

if TYPE_CHECKING:
    from digest.bounces.freeze import Unfrozen

_MOST = 1_000_000

Discard = Annotated[
    bool,
    typer.Option(
        "--discard", help="The provider was wrong: discard the reports, and lift the suppressions of the hour before."
    ),
]


@with_json
def unfreeze(discard: Discard = False, dry_run: DryRun = False) -> None:
    """Suppress addresses automatically again after a storm of failures, and apply the reports that were held."""
    from digest.bounces.freeze import unfreeze as end_freeze
    from digest.mail.suppression_guard import count_held, frozen

    with reading() as connection:
        freeze, held = frozen(connection), count_held(connection, _MOST)
    if freeze is None:
        raise NotReady("Automatic suppression is not frozen. To see failed messages: digest bounces")
    if dry_run:
        what = "discarded" if discard else "applied"
        report({"held": held, "freeze": asdict(freeze), "dry_run": True}, f"{held} reports would be {what}.")
        return
    ended = end_freeze(open_database(), clock.now(), discard)
    document = {"effects": ended.effects if ended else {}, "lifted": ended.lifted if ended else 0, "dry_run": False}
    report(document, _summary(ended) if ended else "Someone else has just ended the freeze.")


def _summary(ended: "Unfrozen") -> str:
    effects = ", ".join(f"{count} {effect}" for effect, count in sorted(ended.effects.items())) or "none"
    lifted = f" Lifted {ended.lifted} suppressions of the hour before." if ended.lifted else ""
    return f"Addresses are suppressed automatically again. Held reports: {effects}.{lifted}"
