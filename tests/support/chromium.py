"""Debian's Chromium for tests, driven by Playwright."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tests.support.contrast import COLOURS, Contrast

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium on this machine (Debian: apt-get install chromium-headless-shell)"


def find_chromium() -> str | None:
    """Return its path. The headless shell comes first: it needs a third of the CPU time for each page."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def running_chromium(path: str) -> "Iterator[Browser]":
    """While it runs, Playwright keeps an event loop in this thread: no test beside it may start its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class SharedChromium:
    """One Chromium for many tests.

    Playwright's event loop counts as running in this thread from start to end, and no test in between could run
    another; so it is taken away while no browser is in use.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._stack = ExitStack()

    def __enter__(self) -> "SharedChromium":
        self._browser = self._stack.enter_context(running_chromium(self._path))
        self._loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        return self

    @contextmanager
    def browser(self) -> "Iterator[Browser]":
        """The browser; its pages are closed at the end."""
        asyncio._set_running_loop(self._loop)
        try:
            yield self._browser
            for context in self._browser.contexts:
                context.close()
        finally:
            asyncio._set_running_loop(None)

    def __exit__(self, *_error: object) -> None:
        asyncio._set_running_loop(self._loop)
        self._stack.close()


def violations(page: "Page", contrast: Contrast | None = None) -> list[tuple[str, list[str]]]:
    """Return the faults that axe-core finds on the page: the rule, and the elements.

    With `contrast`, that judges the colours, in the dark scheme as well; the page stays in that.
    """
    from axe_playwright_python.base import AXE_SCRIPT

    if contrast:
        page.emulate_media(color_scheme="light")
    if not page.evaluate("'axe' in window"):  # half a megabyte to parse, once a document
        page.evaluate(AXE_SCRIPT)
    # Messages in frames have tests of their own; axe cannot talk to a frame in a sandbox.
    without = {rule: {"enabled": False} for rule in COLOURS if contrast}
    options = {"resultTypes": ["violations"], "iframes": False, "rules": without}
    wrong = page.evaluate("options => axe.run(options).then(found => found.violations)", options)
    found = [(rule["id"], [node["html"] for node in rule["nodes"]][:3]) for rule in wrong]
    if contrast:
        found += contrast.faults(page)
        page.emulate_media(color_scheme="dark")
        found += contrast.faults(page)
    return found


def too_wide(page: "Page", *widths: int) -> list[int]:
    """Return the widths of the screens on which the page scrolls sideways; the screen stays as it was."""
    before, wide = page.viewport_size, []
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(width)
    if before:
        page.set_viewport_size(before)
    return wide
