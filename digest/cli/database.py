"""The database of a command: opened when it is needed, closed when the command line ends."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from digest.settings import settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

_open = ExitStack()


def open_database() -> "Engine":
    """An engine that close_databases() disposes of."""
    from digest import wiring

    engine = wiring.engine(settings())
    _open.callback(engine.dispose)
    return engine


def close_databases() -> None:
    """Let go of what the command opened."""
    _open.close()
