"""Every page in a language of nothing but marks, to find what was never translated."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from babel.dates import get_day_names, get_month_names
from starlette.testclient import TestClient

from digest.database.engine import transaction
from digest.database.tables import suggestions
from digest.papers.community import SuggestionState
from digest.settings import Settings
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.tokens import FEEDBACK_FOR, Purpose, sign
from digest.web.app import create_app
from digest.web.pages import Pages
from tests.languages.pseudo import CODE, pseudo_languages, words_outside
from tests.languages.untranslated import ALIKE, Seen
from tests.support.scenario import add_papers, cut
from tests.web.conftest import ADDRESS, SECRET, START, Visit
from tests.web.conftest import visit as visit
from tests.web.rendered_pages import places

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PAPER = "2603.00000"
MAIL = b"Feedback-ID: x:link:y\nFrom: a@example.org\nTo: b@example.org\n\nText"
KNOWN = (
    "Daily Papers", "help@example.org", "1 Paper Street", ADDRESS, "English", "pending@example.org", "localhost",
    "BibTeX", "RIS", "Bluesky", "LinkedIn",
    "a@example.org", "b@example.org", "Feedback-ID", "From", "To", "Text", "gmail", "attention", "zebra", "x:link:y",
    "ada@new.example", "bob@new.example",
    *get_day_names("wide", locale=CODE).values(), *get_month_names("abbreviated", locale=CODE).values(),
    "and 7 more",  # in the subject of the sample email: emails are in the installed languages alone
)  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Every page that there is."""
    for name in ("cur", "new", "tmp"):
        (tmp_path / "inbox" / name).mkdir(parents=True)
    (tmp_path / "inbox" / "new" / "1764000000.x").write_bytes(MAIL)
    own = {
        "secret_key": SECRET,
        "requested_per_hour": 100_000,
        "contact": "help@example.org",
        "postal_address": "1 Paper Street",
    }
    return Settings(**own, sources=("arxiv", "readers"), inbox_dir=tmp_path / "inbox")


@pytest.fixture
def marked(visit: Visit, settings: Settings, tmp_path: Path) -> TestClient:
    """A browser at the site in the language of marks."""
    app = create_app(visit.engine, settings, lambda: None, pseudo_languages(tmp_path))
    return TestClient(app, "http://127.0.0.1:8000", headers={"Accept-Language": CODE}, client=("127.0.0.1", 50_000))


def fill(visit: Visit) -> None:
    """Papers with every field set and their own texts in marks, and two months of issues."""
    said = {"title": "⟦T⟧", "authors": ("⟦A⟧",) * 50, "summary": "⟦S⟧", "abstract": "⟦B⟧", "categories": ("cs.CV",)}
    said |= {"code_url": "https://code.example", "project_url": "https://project.example"}
    for back in (40, 1, 0):
        morning = START - timedelta(days=back, hours=4)
        add_papers(visit.engine, range(50 - back, 80 - back), seen_at=morning, listed_at=morning, **said)
        cut(visit.engine, morning.date(), morning)
    add_papers(visit.engine, range(1), START - timedelta(hours=6), **said | {"title": ""})
    add_papers(visit.engine, range(1), START - timedelta(hours=5), **said | {"title": ""})
    cut(visit.engine, START.date() - timedelta(days=2), START)


def asked(path: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}lang={CODE}"


def untranslated(page: str) -> list[str]:
    assert f'<html lang="{CODE}"' in page
    return words_outside([ALIKE.sub("", text) for text in Seen(page).texts], KNOWN)


def test_every_page_is_translated(visit: Visit, marked: TestClient) -> None:
    fill(visit)
    token = visit.token(Purpose.FEEDBACK, suggesting(visit))
    pages = places(visit, START.date() - timedelta(days=2)) | {
        "months": "/issues?month=2026-10",
        "more": f"/issues/{START.date()}?page=2",
        "suggest": f"/suggest/{token}",
        "nothing found": "/search?q=zebra&category=cs.CV",
        "empty search": "/search",
        "an id": "/search?q=2405.17247",
        "wrong days": "/search?q=x&from=2026-02-02&to=2026-01-01",
        "wrong day": "/search?q=x&from=x",
        "more found": "/search?q=T&page=2",
        "inbox": "/inbox",
        "mail": "/inbox/1764000000.x",
        "unknown paper": "/papers/2405.17247",
    }
    found = {name: untranslated(marked.get(asked(path)).text) for name, path in pages.items()}
    assert {name: words for name, words in found.items() if words} == {}


def suggesting(visit: Visit) -> Subscriber:
    """A subscriber with opinions, a topic that is muted, and suggestions of each kind."""
    subscriber = visit.subscribed()
    token = visit.token(Purpose.FEEDBACK, subscriber)
    visit.browser.post(f"/feedback/{token}/more/2603.00052")
    visit.browser.post(f"/feedback/{token}/less/2603.00053", data={"mute": "speech"})
    visit.browser.post(f"/suggest/{token}", data={"paper": "2603.00051"})
    states = (SuggestionState.WAITING, SuggestionState.REFUSED)
    rows = [
        {"paper_id": f"2603.0999{n}", "recipient": subscriber.key, "at": START, "state": str(state), "message": message}
        for n, (state, message) in enumerate(
            [(states[0], ""), (states[1], "arXiv has no paper with this number."), (states[1], "arXiv says: ⟦X⟧")]
        )
    ]
    with transaction(visit.engine) as connection:
        connection.execute(suggestions.insert(), rows)
    return subscriber


def test_what_stands_before_the_first_issue_is_translated(visit: Visit, marked: TestClient) -> None:
    for path in ("/", "/issues", "/topics/vision", "/inbox"):
        assert untranslated(marked.get(path).text) == []
    add_papers(visit.engine, range(3), title="⟦T⟧", authors=("⟦A⟧",), abstract="⟦B⟧")
    assert untranslated(marked.get("/").text) == []


WRONG = dict.fromkeys(("papers", "hour", "zone", "frequency", "pause", "topics", "categories", "muted_topics"), "0")
SHORT = dict.fromkeys(("keywords", "authors", "labs", "muted_words"), "x")
ADDRESSES = (
    "", "x", "x@", "x@y", "x@@y.z", "x y@z.de", "é@z.de", "x\n@y.de", "x@-.de", "x" * 300 + "@y.de", "x@gmail.con",
    "new@example.org",
)  # fmt: skip
FORMS: dict[str, list[dict[str, str]]] = {
    "/subscribe": [{"email": text} for text in ADDRESSES],
    "/manage": [{"email": "x"}, {"email": ADDRESS}],
    "/confirm/x": [{}],
    "/confirm/{old}": [{}, {"again": "yes"}],
    "/confirm/{confirm}": [WRONG | SHORT, {}],
    "/preferences/x": [{}],
    "/preferences/{manage}": [
        WRONG | SHORT,
        {"categories": "cs.XX", "zone": "Europe/Berln", "pause": "until", "hour": "99"},
        {"pause": "until", "pause_until": "2020-01-01", "keywords": ",".join(map(str, range(10, 40)))},
        {"topics": "vision", "muted_topics": "vision", "weekday": "9", "frequency": "weekly"},
        {"language": "xx", "labs": "a\u200bb"},
        {"papers": "5"},
    ],
    f"/feedback/{{feedback}}/more/{PAPER}": [
        *({}, {"say": "less"}, {"say": "read"}, {"say": "x"}, {"undo": "yes"}),
        *(
            {"mute": "vision"},
            {"unmute": "vision"},
            {"vote": "yes"},
            {"vote": "no"},
            {"save": "yes"},
            {"save": "no"},
            {"save": "yes"},
            {},
        ),
    ],
    "/list/{list}": [{"remove": "x"}, {"remove": PAPER}],
    "/list/x": [{}],
    "/feedback/{feedback}/more/9999.99999": [{}],
    "/feedback/{feedback}/love/9999.99999": [{}],
    "/feedback/{feedback}": [
        *(
            {"forget": "x"},
            {"forget": PAPER},
            {"unmute": "vision"},
            {"action": "reset"},
            {"action": "reset", "sure": "yes"},
        ),
    ],
    "/feedback/{too_old}": [{}],
    "/suggest/{feedback}": [
        *({"paper": text} for text in ("", "x", "x" * 301, "9999.99999", "2603.00060", "2611.09999", "2611.09999")),
        *({"vote": PAPER}, {"unvote": PAPER}, {"vote": "9999.99999"}, {"paper": "2603.00010"}),
        *({"paper": f"2611.1999{n}"} for n in range(5)),
    ],
    "/address/{manage}": [{}],
    "/address/{fresh}": [
        *({"email": text} for text in ("", "nobody", "ada@gmail.con", "ada@example.org", "postmaster@new.example")),
        *({"email": "ada@new.example"}, {"action": "cancel"}, {"email": "bob@new.example"}, {"email": "x@new.example"}),
    ],
    "/address/old/x": [{}],
    "/address/old/{first_change}": [{}],
    "/address/old/{old address}": [{}],
    "/address/new/{new address}": [{}, {}],
    "/u/x": [{"undo": "yes"}],
    "/u/{unsubscribe}": [
        *({}, {}, {"tell": "yes"}, {"tell": "yes", "words": "1" * 600}, {"tell": "yes", "why": "other"}),
        {"undo": "yes"},
    ],
    "/preferences/{manage}?then": [
        *({"action": action} for action in ("unsubscribe", "resubscribe", "erase", "link", "link")),
    ],
    "/preferences/{fresh}": [{"action": "erase"}, {"action": "revoke"}, {}],
    "/preferences/{new}": [{"action": "erase", "sure": "yes"}],
}


def test_the_answers_to_all_forms_are_translated(visit: Visit, marked: TestClient) -> None:
    fill(visit)
    tokens = every_token(visit)
    found = {}
    for path, forms in FORMS.items():
        for number, form in enumerate(forms):
            found[path, number] = untranslated(marked.post(asked(path.format(**tokens)), data=form).text)
    assert {which: words for which, words in found.items() if words} == {}


def every_token(visit: Visit) -> dict[str, str]:
    subscriber = visit.subscribed()
    for name in ("pending", "late"):
        visit.browser.post("/subscribe", data={"email": f"{name}@example.org"})
    tokens = {str(purpose): visit.token(purpose, subscriber) for purpose in Purpose}
    tokens |= {
        purpose: sign(Purpose(purpose), 2, START, [SECRET.encode()]) for purpose in ("old address", "new address")
    }
    tokens["first_change"] = sign(Purpose.OLD_ADDRESS, 1, START, [SECRET.encode()])
    tokens["confirm"] = visit.token(Purpose.CONFIRM, visit.subscriber("pending@example.org"))
    tokens["old"] = visit.token(Purpose.CONFIRM, visit.subscriber("late@example.org"), START - timedelta(days=9))
    tokens["new"] = visit.token(Purpose.FRESH, replace(subscriber, link_version=1))
    tokens["too_old"] = visit.token(Purpose.FEEDBACK, subscriber, START - FEEDBACK_FOR - timedelta(days=1))
    return tokens


def test_every_refusal_is_translated(marked: TestClient, visit: Visit, settings: Settings) -> None:
    pages: Pages = marked.app.state.site.pages.speaking(CODE)  # type: ignore[attr-defined]
    for status in (400, 403, 404, 405, 413, 418, 500, 503):
        assert untranslated(pages.refuse(status).body.decode()) == []
    for path in ("/issues/x", "/issues/2020-01-01", "/issues?month=2020-01", "/topics/x", "/issues?page=x", "/inbox/x"):
        assert untranslated(marked.get(path).text) == []
