"""The commands subscribers … and suppressions …"""

import typer

from digest.cli.subscribers import changes, counts, importing, lists, suppressed
from digest.cli.subscribers.show import show

subscribers = typer.Typer(help="Who gets the digest.", no_args_is_help=True)
suppressions = typer.Typer(help="Addresses that never get email.", no_args_is_help=True)

for _command in (
    lists.list_, show, counts.count, importing.add, importing.import_, lists.export, changes.unsubscribe, changes.move,
    changes.erase,
):  # fmt: skip
    subscribers.command(_command.__name__.rstrip("_"))(_command)
for _command in (suppressed.list_, suppressed.add, suppressed.lift):
    suppressions.command(_command.__name__.rstrip("_"))(_command)
