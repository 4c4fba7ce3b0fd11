"""The library of `digest once`: a file of a reference manager or a public library at Zotero, which counts as liked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from digest import clock, wiring
from digest.issues.profiles import refresh_profiles, renew_space
from digest.language import UserError
from digest.settings import Settings
from digest.subscribers.library import library
from digest.subscribers.library.lookup import look_up
from digest.subscribers.library.reading import MAX_BYTES, read_library
from digest.subscribers.library.store import EntryState

_MOST_RUNS = 50  # of the lookup, each of which makes up to 20 requests


class BadLibrary(Exception):
    """A library that cannot be read. The message says why, on one line."""


@dataclass(frozen=True, slots=True)
class OnceLibrary:
    """What counts as liked."""

    content: bytes = b""  # of the file
    zotero: str = ""  # the user ID of a public library


def read_library_file(file: Path | None, zotero: str = "") -> OnceLibrary | None:
    """Return the library, None without any. The file is checked, so that a mistake is reported before anything is done.

    Raises BadLibrary.
    """
    if file is None:
        return OnceLibrary(zotero=zotero) if zotero else None
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        read_library(content)
    except OSError as error:
        raise BadLibrary(f"{file}: cannot be read ({error.strerror})") from None
    except UserError as problem:
        raise BadLibrary(f"{file}: {problem}") from None
    return OnceLibrary(content, zotero)


def learn_library(
    engine: Engine, settings: Settings, subscriber_id: int, brought: OnceLibrary, say: Callable[[str], None]
) -> None:
    """Look the library up and fit a space. Entries without an answer wait for the next run. Raises BadLibrary."""
    now = clock.now()
    try:
        if brought.content:
            library.add(engine, subscriber_id, brought.content, now)
        if brought.zotero:
            library.add_zotero(engine, subscriber_id, brought.zotero, now)
    except UserError as problem:
        raise BadLibrary(str(problem)) from None
    where = wiring.libraries(settings)
    for _ in range(_MOST_RUNS):
        view = library.view(engine, subscriber_id, 1, clock.now())
        if not view.is_waiting:
            break
        say(f"Looking up your library: {view.done} of {view.total} …")
        if not look_up(engine, where, clock.now()):
            break
    view = library.view(engine, subscriber_id, 1, clock.now())
    say(f"Your library: {view.counts[EntryState.MATCHED]} papers found, {view.counts[EntryState.MISSING]} not found.")
    renew_space(engine, clock.now())
    refresh_profiles(engine, clock.now())  # which lets the next issue use the space
