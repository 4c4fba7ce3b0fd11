"""Pictures of every page and every kind of mail, to be looked at: `make screenshots SCREENSHOTS=dir`.

The papers are the bundled sample. `python -m tests.support.pictures --readme` takes those of the README instead.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from html import escape
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest import clock
from digest.database.engine import connect, read_only
from digest.demo.sample import store_sample
from digest.issues.issue import Issue
from digest.issues.selection import Pool, Selection
from digest.issues.store import issue_on
from digest.language import Languages
from digest.ledger.kinds import OF_ISSUE, IssueKind, Kind
from digest.mail.compose.composer import compose_alone
from digest.mail.compose.context import MailContext
from digest.mail.compose.render import Renderer
from digest.mail.message import Draft
from digest.mail.preview import preview_transactional
from digest.resources import resource
from digest.settings import Settings
from digest.subscribers.subscriber import Preferences
from digest.web.app import create_app
from tests.mail.builders import CONTEXT, a_draft, a_notice, parts_of
from tests.support.chromium import MISSING, find_chromium, running_chromium
from tests.support.scenario import cut
from tests.support.servers import migrated_sqlite
from tests.web.conftest import SECRET, START, Visit
from tests.web.rendered_pages import places, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

README = Path(__file__).parents[2] / "docs" / "pictures"
WIDTHS = (320, 390, 640, 1280)
SCHEMES = ("light", "dark")
LANGUAGES = ("en", "zh-CN")
WISHES = Preferences(topics=("agents",), keywords=("video",))
NOT_READY = 3


@dataclass(frozen=True)
class Way:
    """The viewport and theme of a picture."""

    width: int
    scheme: str = "light"
    language: str = "en"
    special: str = ""  # "images off" or "print"

    @property
    def words(self) -> str:
        return " ".join(part for part in (self.language, self.special or self.scheme, f"{self.width} px") if part)

    def file(self, name: str) -> str:
        return f"{name} {self.words}.png".replace(" ", "-")


def ways(special: str) -> list[Way]:
    usual = [Way(width, scheme, code) for code, scheme, width in product(LANGUAGES, SCHEMES, WIDTHS)]
    return [*usual, *(Way(width, special=special) for width in (390, 640))]


# --- what is shown ---

_RANKED = [kind for kind in OF_ISSUE if kind is not IssueKind.NOTICE]


@contextmanager
def a_site() -> Iterator[tuple[str, dict[str, str], Issue]]:
    """A site with an issue of the bundled sample: its address, its pages by name, the issue."""
    with tempfile.TemporaryDirectory(prefix="digest-pictures-") as folder:
        os.chdir(folder)  # no .env is read
        os.environ |= {"DIGEST_DATA_DIR": folder, clock.CLOCK_FILE: f"{folder}/clock"}
        clock.move_to(START, Path(folder) / "clock")
        engine = connect(f"sqlite:///{migrated_sqlite(Path(folder))}")
        issue = _fill(engine)
        settings = Settings(
            secret_key=SECRET, contact="hello@example.org", postal_address="Example Lab, 1 Long Street, 12345 Town"
        )
        app = create_app(engine, settings, lambda: None)
        visit = Visit(engine, TestClient(app, base_url="http://127.0.0.1:8000"))
        with serving(app) as url:
            yield url, _pages(visit, issue), issue
        engine.dispose()


def _fill(engine: Engine) -> Issue:
    morning = START - timedelta(hours=4)
    store_sample(engine, morning)
    cut(engine, START.date(), morning)
    with read_only(engine) as connection:
        issue = issue_on(connection, IssueKind.DAILY, START.date())
    assert issue is not None
    return issue


def _pages(visit: Visit, issue: Issue) -> dict[str, str]:
    shown, paper_id = places(visit, issue.date), issue.papers[0].paper.id
    return shown | {
        "paper": f"/papers/{paper_id}",
        "search": "/search?q=agents",
        "feedback": shown["feedback"].replace("2603.00000", paper_id),
    }


def mails(issue: Issue, language: str) -> dict[str, str]:
    """The HTML of every kind of mail, and of a first issue."""
    renderer = Renderer(resource("templates"), Languages(resource("locale")))
    context = replace(CONTEXT, renderer=renderer, language=language)
    chosen = Pool(issue, languages=Languages(resource("locale"))).select(
        replace(WISHES, language=language), frozenset()
    )
    assert isinstance(chosen, Selection)
    selection = replace(chosen, language=language)
    messages = {str(OF_ISSUE[kind]): _html(a_draft(replace(issue, kind=kind), selection), context) for kind in _RANKED}
    messages["notice"] = _html(a_draft(a_notice(), Selection((), language=language)), context)
    messages["first"] = _html(a_draft(issue, replace(selection, first=True)), context)
    for kind in set(Kind) - set(OF_ISSUE.values()):
        messages[str(kind)] = parts_of(preview_transactional(context, kind, None, START, language)).html
    return dict(sorted(messages.items()))


def _html(draft: Draft, context: MailContext) -> str:
    return parts_of(compose_alone(draft, context).envelope.message).html


# --- the camera ---


@contextmanager
def looking(browser: "Browser", way: Way, **more: Any) -> "Iterator[Page]":
    """A window that is looked through in this way; no script runs."""
    viewport = {"width": way.width, "height": 800}
    context = browser.new_context(viewport=viewport, color_scheme=way.scheme, java_script_enabled=False, **more)
    page = context.new_page()
    if way.special == "print":
        page.emulate_media(media="print")
    if way.special == "images off":
        page.route("**/*", lambda route: route.abort())
    yield page
    context.close()


def take_all(folder: Path) -> int:
    """Take all pictures and write an index.html with them. Returns their number."""
    folder.mkdir(parents=True, exist_ok=True)
    shots: dict[str, list[Way]] = {}
    with running_chromium(str(find_chromium())) as browser, a_site() as (url, pages, issue):
        for way in ways("print"):
            say(f"pages, {way.words}")
            with looking(browser, way) as page:
                for name, path in pages.items():
                    page.goto(f"{url}{path}{'&' if '?' in path else '?'}lang={way.language}")
                    _keep(page, folder, f"page {name}", way, shots)
        for way in ways("images off"):
            say(f"mails, {way.words}")
            with looking(browser, way, offline=True) as page:
                for name, html in mails(issue, way.language).items():
                    page.set_content(html)
                    _keep(page, folder, f"mail {name}", way, shots)
    (folder / "index.html").write_text(index(shots), encoding="utf-8")
    return sum(map(len, shots.values()))


def _keep(page: "Page", folder: Path, name: str, way: Way, shots: dict[str, list[Way]]) -> None:
    page.screenshot(path=folder / way.file(name), full_page=True)
    shots.setdefault(name, []).append(way)


STYLE = """
body { font: 14px sans-serif; margin: 16px; color-scheme: light dark; }
.row { display: flex; gap: 16px; overflow-x: auto; align-items: start; margin: 0 0 24px; }
figure { margin: 0; }
img { border: 1px solid #888; }
nav a { margin: 0 8px 0 0; }
"""


def index(shots: dict[str, list[Way]]) -> str:
    """A page with a row for each language and scheme, the widths side by side."""
    ways_there = "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name in shots)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Pages and mails</title><style>{STYLE}</style>'
        f"<h1>Pages and mails</h1><nav>{ways_there}</nav>"
        f"{''.join(_section(name, taken) for name, taken in shots.items())}</html>\n"
    )


def _section(name: str, taken: list[Way]) -> str:
    rows: dict[str, str] = {}
    for way in taken:
        kind = f"{way.language} {way.special or way.scheme}"
        image = f'<img src="{escape(way.file(name))}" loading="lazy" alt="{escape(f"{name}, {way.words}")}">'
        figure = f"<figure><figcaption>{escape(way.words)}</figcaption>{image}</figure>"
        rows[kind] = rows.get(kind, "") + figure
    shown = "".join(f'<div class="row">{row}</div>' for row in rows.values())
    return f'<h2 id="{_anchor(name)}">{escape(name)}</h2>{shown}'


def _anchor(name: str) -> str:
    return escape(name.replace(" ", "-"))


def take_for_readme(folder: Path = README) -> None:
    """The mail on a phone in both schemes, and the front page on a desktop: their upper parts."""
    with running_chromium(str(find_chromium())) as browser, a_site() as (url, pages, issue):
        for way, file, height in (
            (Way(390), "mail-light.png", 1200),
            (Way(390, "dark"), "mail-dark.png", 1200),
            (Way(1280), "front.png", 900),
        ):
            with looking(browser, way) as page:
                if file == "front.png":
                    page.goto(f"{url}{pages['front']}?lang=en")
                else:
                    page.set_content(mails(issue, "en")[Kind.DIGEST])
                page.screenshot(path=folder / file, clip={"x": 0, "y": 0, "width": way.width, "height": height})
            say(f"{folder / file}: {(folder / file).stat().st_size // 1000} kB")


def say(words: str) -> None:
    """Print progress."""
    sys.stderr.write(f"{words}\n")


def main(arguments: list[str]) -> int:
    """The exit code."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if not find_chromium():
        say(MISSING)
        return NOT_READY
    if arguments == ["--readme"]:
        take_for_readme()
        return 0
    folder = Path(arguments[0] if arguments else "screenshots").resolve()
    say(f"{take_all(folder)} pictures: {folder / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
