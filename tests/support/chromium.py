"""Debian's Chromium for tests, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
MISSING = "no Chromium on this machine (Debian: apt-get install chromium)"


def find_chromium() -> str | None:
    """Where it is."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def running_chromium(path: str) -> "Iterator[Browser]":
    """While it runs, Playwright keeps an event loop in this thread: no test beside it may start its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


COLOURS = ("color-contrast", "link-in-text-block")  # the rules whose outcome depends on the colour scheme


def violations(page: "Page", *rules: str) -> list[tuple[str, list[str]]]:
    """What axe-core finds wrong with what is shown, by these rules or all: the rule, and the elements."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": list(rules)} if rules else None
    wrong = Axe().run(page, options=options).response["violations"]
    return [(rule["id"], [node["html"] for node in rule["nodes"]][:3]) for rule in wrong]
