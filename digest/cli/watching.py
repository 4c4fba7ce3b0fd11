"""Progress of long work: a bar on a terminal, a line now and then anywhere else. Always on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from digest.cli.output import progress

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")
_QUIET_SECONDS = 5.0  # between two plain lines
_AT_ONCE = 100  # items of a long list


class Advance(Protocol):
    """Steps are done; the text is what there is to say about them."""

    def __call__(self, line: str = "", steps: int = 1) -> None: ...


@contextmanager
def long_work(what: str, total: int | None = None) -> Iterator[Advance]:
    """Show that `what` is being done; call what it yields after each of the `total` steps, if they can be counted."""
    if not sys.stderr.isatty():
        yield _plain_lines(what, total)
        return
    with _bar() as bar:
        task = bar.add_task(what, total=total)

        def advance(line: str = "", steps: int = 1) -> None:
            if line:
                bar.console.print(line, markup=False, highlight=False)
            bar.advance(task, steps)

        yield advance


def watched(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, and show how many are done."""
    with long_work(what, total) as advance:
        for number, item in enumerate(items, start=1):
            yield item
            if number % _AT_ONCE == 0:
                advance(steps=_AT_ONCE)


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _plain_lines(what: str, total: int | None) -> Advance:
    done, quiet_until = 0, time.monotonic() + _QUIET_SECONDS

    def advance(line: str = "", steps: int = 1) -> None:
        nonlocal done, quiet_until
        done += steps
        if line:
            progress(line)
        elif time.monotonic() >= quiet_until:
            progress(f"{what}: {done}" + (f" of {total}" if total else ""))
            quiet_until = time.monotonic() + _QUIET_SECONDS

    return advance
