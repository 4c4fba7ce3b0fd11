"""A stranger with a forwarded email or a shared link can do only what docs/forwarded.md lists."""

import re
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit
from xml.etree.ElementTree import Element

import html5lib
import pytest
from sqlalchemy import select

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, library_entries, subscribers
from digest.issues.selection import Pick, Pool, Selection, packed_selection
from digest.issues.store import issue_on
from digest.lint import ParsedMessage
from digest.mail.preview import preview_message
from digest.papers.store import keep_papers
from digest.settings import Settings
from digest.settings.composing import mail_context
from digest.subscribers import subscriptions
from digest.subscribers.library import library, saved
from digest.subscribers.paper_feedback import FeedbackKind, feedback_by, give
from digest.subscribers.subscriber import Preferences
from digest.subscribers.tokens import Purpose
from digest.web.guard import PERSONAL
from tests.support.scenario import LOOK, ON_SQLITE, paper
from tests.web.conftest import ADDRESS, START, Visit
from tests.web.rendered_pages import send_list

pytestmark = ON_SQLITE
DOCUMENT = Path(__file__).parents[3] / "docs" / "forwarded.md"
SITE = "http://127.0.0.1:8000"
TOKEN = re.compile(r"(?<=/)[A-Za-z0-9_-]{32}(?=[/?]|$)")
LONG_AGO = START - timedelta(days=400)
YESTERDAY = START.date() - timedelta(days=1)
LIKED, SAVED, OWNED, EARLIER = "Liked in secret", "Saved in secret", "Owned in secret", "Sent in secret"
SECRETS = (ADDRESS, LIKED, SAVED, OWNED, EARLIER)
GUESSES = (
    "/preferences/{}", "/library/{}", "/my/{}/next-email/html", "/my/{}/welcome", "/feedback/{}", "/suggest/{}",
    f"/feedback/{{}}/issues/{YESTERDAY}", "/list/{}", "/list/{}/feed.atom", "/list/{}/saved.bib", "/confirm/{}",
    "/u/{}",
)  # fmt: skip
WRONGS: tuple[dict[str, str], ...] = (
    {"action": "export"},
    {"action": "erase", "sure": "yes"},
    {"action": "revoke"},
    {"action": "reset", "sure": "yes"},
    {"action": "clear", "sure": "yes"},
    {"forget": "2511.00001"},
    {"action": "remove", "remove": "1"},
)


@dataclass(frozen=True)
class Step:
    """A request that a page offers."""

    method: str
    path: str
    fields: tuple[tuple[str, str], ...] = ()
    button: str = ""

    @property
    def name(self) -> str:
        """As in the table: without the token, the date and the paper."""
        path = TOKEN.sub("{token}", urlsplit(self.path).path)
        path = re.sub(r"/(papers|more|less|read)/.+", "/papers/{id}", path)
        return f"{self.method} {re.sub(r'[0-9]{4}-[0-9]{2}-[0-9]{2}', '{date}', path)} {self.button}".strip()


@pytest.fixture
def owner(filled: Visit) -> Visit:
    """A site with a subscriber who follows, likes, saves, owns and was sent something."""
    ada = filled.subscribed()
    old = [paper(1, id="2511.00001", title=LIKED), paper(2, id="2511.00002", title=SAVED)]
    with transaction(filled.engine) as connection:
        keep_papers(connection, "huggingface", LONG_AGO, old)
    subscriptions.change_preferences(
        filled.engine, ada.id, Preferences(topics=("graphs",), muted_topics=("vision",)), START
    )
    give(filled.engine, ada.id, "2511.00001", FeedbackKind.MORE, START)
    saved.save(filled.engine, ada.id, "2511.00002", START)
    library.add(filled.engine, ada.id, f"@article{{a, title={{{OWNED}}}, year={{2020}}}}".encode(), START)
    send_list(filled)
    with transaction(filled.engine) as connection:
        issue = issue_on(connection, "daily", YESTERDAY, whole=True)
        assert issue is not None
        row = dict(connection.execute(select(deliveries).where(deliveries.c.kind == "digest")).one()._mapping)
        earlier = packed_selection(Selection((Pick(issue.pool[0].paper.id, EARLIER),), 0), Pool(issue).ranks)
        row |= {"issue_id": issue.id, "occasion": str(YESTERDAY), "picks": earlier}
        row |= {"created_at": row["created_at"] - timedelta(days=1)}
        connection.execute(deliveries.insert().values({name: value for name, value in row.items() if name != "id"}))
    return filled


def links_of(visit: Visit, settings: Settings) -> set[str]:
    """Every address in the text, the HTML and the header of the email of the day."""
    with read_only(visit.engine) as connection:
        issue = issue_on(connection, "daily", START.date())
    assert issue is not None
    message = preview_message(visit.engine, mail_context(settings, signs=False), issue, visit.subscriber(), START)
    mail = ParsedMessage(message or b"")
    header = " ".join(mail.field(name) for name in ("List-Unsubscribe", "List-Archive", "List-Id"))
    return set(re.findall(r"https?://[^\s\"<>]+", f"{mail.text} {mail.html} {header}"))


def inside(addresses: Iterable[str]) -> Iterator[str]:
    for address in addresses:
        parts = urlsplit(urldefrag(address)[0])
        if f"{parts.scheme}://{parts.netloc}" in (SITE, LOOK.public_url) and PERSONAL.match(parts.path):
            yield parts.path


def offers(path: str, html: str) -> Iterator[Step]:
    """The personal links, frames and forms of a page, each form with what the page has filled in."""
    page = html5lib.parse(html, namespaceHTMLElements=False)
    addresses = [element.get("href") or element.get("src") or "" for element in page.iter() if element.tag != "link"]
    yield from (
        Step("GET", target) for target in inside(urljoin(SITE + path, address) for address in addresses if address)
    )
    for form in page.iter("form"):
        for target in inside([urljoin(SITE + path, form.get("action") or path)]):
            yield from _buttons(form, target)


def _buttons(form: Element, path: str) -> Iterator[Step]:
    fields = tuple(
        (field.get("name", ""), field.get("value", ""))
        for field in form.iter("input")
        if field.get("name") and field.get("type") != "file"
        if field.get("type") not in ("checkbox", "radio") or "checked" in field.attrib
    )
    for button in form.iter("button"):
        pressed = ((button.get("name", ""), button.get("value", "")),) if button.get("name") else ()
        name = "=".join(pressed[0]) if pressed else "(save)"
        if pressed and pressed[0][0] in ("mute", "unmute", "remove", "forget"):
            name = pressed[0][0]  # its value is a paper or a topic
        yield Step("POST", path, fields + pressed, name)


def crawl(visit: Visit, start: Iterable[str], folder: Path, saved_stays: bool = True) -> dict[str, str]:
    """Each request that can be reached, by its name, with the answer. Every POST finds the site as it was at first."""
    kept, database = folder / "kept.sqlite", str(visit.engine.url.database)
    visit.engine.dispose()
    shutil.copy(database, kept)
    paths = sorted(inside(start))
    waiting = deque(
        [
            *(Step("GET", path) for path in paths),
            *(
                Step("POST", path, (("List-Unsubscribe", "One-Click"),), "List-Unsubscribe=One-Click")
                for path in paths
                if "/u/" in path
            ),
        ]
    )
    seen: dict[str, str] = {}
    done: set[Step] = set()
    while waiting:
        step = waiting.popleft()
        if step in done or (step.method == "POST" and step.name in seen):
            continue
        done.add(step)
        answer = visit.browser.request(step.method, step.path, data=dict(step.fields) if step.fields else None)
        seen[step.name] = seen.get(step.name, "") + answer.text
        if step.method == "POST":
            assert_unharmed(visit, step.name, saved_stays)
            visit.engine.dispose()
            shutil.copy(kept, database)
        if answer.headers["content-type"].startswith("text/html") and "next-email/html" not in step.path:
            waiting.extend(offers(step.path, answer.text))
    return seen


def assert_unharmed(visit: Visit, after: str, saved_stays: bool = True) -> None:
    """Address, links, feedback, library, saved list and past lists are as they were, or there is more of them."""
    subscriber = visit.subscriber()
    with read_only(visit.engine) as connection:
        assert connection.scalar(select(subscribers.c.link_version)) == 0, after
        assert len(connection.execute(select(library_entries)).all()) >= 1, after
        assert "2511.00001" in {each.paper_id for each in feedback_by(connection, subscriber.id)}, after
        assert not saved_stays or "2511.00002" in {
            each.paper_id for each in saved.saved_by(connection, subscriber.id)
        }, after
        assert len(connection.execute(select(deliveries).where(deliveries.c.kind == "digest")).all()) == 2, after


def listed(heading: str) -> set[str]:
    """The requests in the first column of a table of the document."""
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def told(answers: dict[str, str]) -> dict[str, list[str]]:
    """The secrets that pages show, by the request."""
    return {name: found for name, text in answers.items() if (found := [each for each in SECRETS if each in text])}


def test_a_forwarded_email_opens_what_is_listed_and_tells_no_secret(
    owner: Visit, settings: Settings, tmp_path: Path
) -> None:
    answers = crawl(owner, links_of(owner, settings), tmp_path)
    assert told(answers) == {}
    assert set(answers) == listed("What can someone do with a forwarded email?")


def test_no_link_of_it_opens_what_no_page_offers(owner: Visit, settings: Settings, tmp_path: Path) -> None:
    tokens = {match for address in links_of(owner, settings) for match in TOKEN.findall(address)}
    assert len(tokens) == 3
    answers = {}
    for path in (guess.format(token) for token in tokens for guess in GUESSES):
        answers[f"GET {path}"] = owner.browser.get(path).text
        if path.startswith(("/u/", "/my/")):
            continue
        for form in WRONGS:
            answers[f"POST {path} {form}"] = owner.browser.post(path, data=form).text
            assert_unharmed(owner, f"{path} {form}")
    assert told(answers) == {}


@pytest.mark.parametrize(
    ("purpose", "path", "heading", "shows"),
    [
        (Purpose.LIST, "/list/{}", "What can someone do with the address of a saved list?", {SAVED, EARLIER}),
        (Purpose.FEED, "/list/{}/feed.atom", "What can someone do with the address of a personal feed?", {EARLIER}),
    ],
)
def test_a_shared_list_or_feed_opens_itself_alone(
    owner: Visit, tmp_path: Path, purpose: Purpose, path: str, heading: str, shows: set[str]
) -> None:
    start = SITE + path.format(owner.token(purpose, owner.subscriber()))
    answers = crawl(owner, [start], tmp_path, saved_stays=False)
    assert {secret for found in told(answers).values() for secret in found} == shows
    assert set(answers) == listed(heading)
