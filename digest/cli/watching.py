"""Progress of long work: a bar on a terminal, a line now and then anywhere else. Always on stderr."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from digest.cli.output import progress

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")
Advance = Callable[[str], None]  # a step is done; the text is what there is to say about it, or ""
_QUIET_SECONDS = 5.0  # between two plain lines


@contextmanager
def long_work(what: str, total: int | None = None) -> Iterator[Advance]:
    """Show that `what` is being done; call what it yields after each of the `total` steps, if they can be counted."""
    if not sys.stderr.isatty():
        yield _plain_lines(what, total)
        return
    with _bar() as bar:
        task = bar.add_task(what, total=total)

        def advance(line: str = "") -> None:
            if line:
                bar.console.print(line, markup=False, highlight=False)
            bar.advance(task)

        yield advance


def watched(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, and show how many are done."""
    with long_work(what, total) as advance:
        for item in items:
            yield item
            advance("")


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

    def advance(line: str = "") -> None:
        nonlocal done, quiet_until
        done += 1
        if line:
            progress(line)
        elif time.monotonic() >= quiet_until:
            progress(f"{what}: {done}" + (f" of {total}" if total else ""))
            quiet_until = time.monotonic() + _QUIET_SECONDS

    return advance
