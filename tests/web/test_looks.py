"""The checkable part of the appearance: contrast, landmarks, labels."""

import re
from html.parser import HTMLParser

import pytest

from digest.resources import resource
from digest.settings import Settings
from digest.subscribers.tokens import Purpose
from tests.support.scenario import add_papers
from tests.web.conftest import START, Visit
from tests.web.rendered_pages import WRONG

STYLES = (resource("templates") / "web" / "static" / "digest.css").read_text()
TEXT = [("ink", "paper"), ("ink", "sheet"), ("soft", "paper"), ("soft", "sheet"), ("blue", "paper"), ("rust", "paper")]
TEXT += [("rust", "wash"), ("ink", "wash"), ("on-blue", "blue"), ("ink", "mint")]
TEXT += [("green", "paper"), ("green", "sheet")]
TEXT += [("rust", "sheet"), ("blue", "sheet"), ("blue", "mint"), ("blue", "wash"), ("green", "mint")]


def palettes() -> list[dict[str, str]]:
    blocks = re.findall(r":root\{(.*?)\}", STYLES, re.DOTALL)[:2]
    return [dict(re.findall(r"--([\w-]+):#([0-9a-f]{6})", block)) for block in blocks]


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(palette: dict[str, str]) -> None:
    """WCAG 2.2, 1.4.3 for text and 1.4.11 for the edges of fields."""
    for front, behind in TEXT:
        assert contrast(palette[front], palette[behind]) >= 4.5, (front, behind)
    assert contrast(palette["edge"], palette["sheet"]) >= 3
    assert contrast(palette["edge"], palette["paper"]) >= 3


class Page(HTMLParser):
    """The tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open_labels = 0
        self.labelled_by_wrapping: set[int] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open_labels += tag == "label"
        if self.open_labels and tag == "input":
            self.labelled_by_wrapping.add(len(self.tags))
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.open_labels -= tag == "label"

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def pages(visit: Visit) -> dict[str, str]:
    add_papers(visit.engine, range(1, 3), START, categories=("cs.CV",))
    subscriber = visit.subscribed()
    visit.browser.post("/subscribe", data={"email": "pending@example.org"})
    preferences = f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}"
    paths = ["/", "/manage", "/issues", "/nothing", preferences, f"/u/{visit.token(Purpose.UNSUBSCRIBE, subscriber)}"]
    paths.append(f"/confirm/{visit.token(Purpose.CONFIRM, visit.subscriber('pending@example.org'))}")
    feedback = visit.token(Purpose.FEEDBACK, subscriber)
    paths += [f"/feedback/{feedback}", f"/feedback/{feedback}/more/2603.00001", f"/suggest/{feedback}"]
    visit.browser.post(f"/feedback/{feedback}/less/2603.00002")
    visit.browser.post(f"/suggest/{feedback}", data={"paper": "2603.00001"})
    found = {path: visit.browser.get(path).text for path in paths}
    wrong = WRONG | dict.fromkeys(("categories", "authors", "labs", "muted_topics", "muted_words"), "x")
    found["wrong"] = visit.browser.post(preferences, data=wrong).text
    found["unsuggested"] = visit.browser.post(f"/suggest/{feedback}", data={"paper": "x"}).text
    found["unsaid"] = visit.browser.post(
        f"/feedback/{visit.token(Purpose.FRESH, subscriber)}", data={"action": "reset"}
    ).text
    found["reason"] = visit.browser.post(f"/u/{feedback}", data={"tell": "yes", "words": "x" * 600}).text
    found["slip"] = visit.browser.post("/subscribe", data={"email": "ada@gmail.con"}).text
    return found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_page_can_be_read_by_a_screen_reader(visit: Visit) -> None:
    for path, text in pages(visit).items():
        page = Page(text)
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        assert page.all("html")[0]["lang"] == "en"
        assert [len(page.all(landmark)) for landmark in ("main", "header", "footer", "h1")] == [1, 1, 1, 1], path
        for _, attributes in page.tags:
            for described in (attributes.get("aria-describedby") or "").split():
                assert described in ids, (path, described)
            if (attributes.get("href") or "").startswith("#"):
                assert (attributes["href"] or "")[1:] in ids, (path, attributes)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_page_is_heavy(visit: Visit) -> None:
    address = re.findall(r'"(/static/digest.css[^"]*)"', visit.browser.get("/").text)[0]
    styles = len(visit.browser.get(address).content)
    for path, text in pages(visit).items():
        assert len(text.encode()) + styles <= (24_000 if path == "wrong" else 22_000), (
            path
        )  # with a message at each field


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_field_has_a_label(visit: Visit) -> None:
    for path, text in pages(visit).items():
        page = Page(text)
        labelled = {attributes.get("for") for attributes in page.all("label")}
        for place, (tag, attributes) in enumerate(page.tags):
            if tag in ("input", "select", "textarea") and attributes.get("type") != "hidden":
                named = attributes.get("id") in labelled or "aria-label" in attributes
                assert named or place in page.labelled_by_wrapping, (path, attributes)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Every page that there is."""
    return settings.model_copy(update={"sources": ("arxiv", "readers")})
