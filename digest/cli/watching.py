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


class Advance(Protocol):
    """Report finished steps, with a text about them. A total that is counted late may come with them."""

    def __call__(self, line: str = "", steps: int = 1, total: int | None = None) -> None: ...


@contextmanager
def long_work(what: str, total: int | None = None) -> Iterator[Advance]:
    """Show that `what` is being done; call what it yields after each of the `total` steps, if they can be counted."""
    if not sys.stderr.isatty():
        yield _plain_lines(what, total)
        return
    with _bar() as bar:
        task = bar.add_task(what, total=total)

        def advance(line: str = "", steps: int = 1, total: int | None = None) -> None:
            if line:
                bar.console.print(line, markup=False, highlight=False)
            bar.update(task, advance=steps, total=total)

        yield advance


def watched(items: Iterable[T], what: str, total: int | None = None, every: int = 1) -> Iterator[T]:
    """Yield `items`, and show the progress after every `every` items."""
    with long_work(what, total) as advance:
        for number, item in enumerate(items, start=1):
            yield item
            if number % every == 0:
                advance(steps=every)


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


def _plain_lines(what: str, of: int | None) -> Advance:
    done, quiet_until = 0, time.monotonic() + _QUIET_SECONDS

    def advance(line: str = "", steps: int = 1, total: int | None = None) -> None:
        nonlocal done, quiet_until, of
        done, of = done + steps, total or of
        if line:
            progress(line)
        elif time.monotonic() >= quiet_until:
            progress(f"{what}: {done}" + (f" of {of}" if of else ""))
            quiet_until = time.monotonic() + _QUIET_SECONDS

    return advance
