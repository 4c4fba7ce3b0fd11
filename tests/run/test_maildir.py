"""The demo's inbox as pages: it shows what the mail server has kept, safely, and is there in the demo only."""

import mailbox
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest.database.engine import connect
from digest.ledger.kinds import Kind
from digest.mail.kinds import KINDS
from digest.run.maildir import messages
from digest.settings import Settings
from digest.web.app import create_app

HOSTILE = "<script>alert(1)</script>"
RAW = (
    "From: Daily Papers <digest@localhost>\r\nTo: ada@example.com\r\n"
    f"Subject: Ten papers {HOSTILE}\r\nFeedback-ID: 2026-11-23:digest:localhost:digest\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nin words {HOSTILE}\r\n"
    f'--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><head></head><a href="http://x/">go</a>{HOSTILE}</html>\r\n'
    "--b--\r\n"
).encode()


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Engine]:
    engine = connect(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    mailbox.Maildir(folder, create=True).add(RAW)
    return folder


@pytest.fixture
def browser(database: Engine, inbox: Path) -> Iterator[TestClient]:
    with visitor(create_app(database, Settings(inbox_dir=inbox), lambda: None)) as client:
        yield client


def visitor(app: FastAPI, host: str = "127.0.0.1", client: str = "127.0.0.1") -> TestClient:
    return TestClient(app, base_url=f"http://{host}:8000", client=(client, 50_000))


def test_the_inbox_lists_each_mail_with_what_it_is(browser: TestClient) -> None:
    page = browser.get("/inbox").text
    assert "ada@example.com" in page
    assert "Ten papers" in page
    assert HOSTILE not in page


def test_a_mail_is_shown_with_headers_text_and_source(browser: TestClient, inbox: Path) -> None:
    (kept,) = messages(inbox)
    page = browser.get(f"/inbox/{kept.key}").text
    for part in ("Daily Papers &lt;digest@localhost&gt;", "in words", "Feedback-ID", f"/inbox/{kept.key}/html"):
        assert part in page
    assert HOSTILE not in page
    raw = browser.get(f"/inbox/{kept.key}/raw")
    assert raw.content == RAW
    assert raw.headers["content-type"].startswith("text/plain")


def test_the_html_of_a_mail_stands_in_a_sandbox(browser: TestClient, inbox: Path) -> None:
    (kept,) = messages(inbox)
    shown = browser.get(f"/inbox/{kept.key}/html")
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert '<base target="_blank">' in shown.text
    assert 'sandbox="allow-popups' in browser.get(f"/inbox/{kept.key}").text


def test_an_unknown_mail_is_a_page_that_says_so(browser: TestClient) -> None:
    for path in ("/inbox/absent", "/inbox/absent/html", "/inbox/absent/raw", "/inbox/..%2F..%2Fsecret_key"):
        assert browser.get(path).status_code == 404


def test_an_empty_inbox_says_what_to_do(database: Engine, tmp_path: Path) -> None:
    with visitor(create_app(database, Settings(inbox_dir=tmp_path / "none"), lambda: None)) as client:
        assert "No emails yet" in client.get("/inbox").text


def test_a_real_installation_has_no_inbox_page(database: Engine) -> None:
    with visitor(create_app(database, Settings(), lambda: None)) as client:
        assert client.get("/inbox").status_code == 404


@pytest.mark.parametrize(
    ("host", "client"), [("192.0.2.1", "192.0.2.7"), ("papers.example.org", "127.0.0.1"), ("127.0.0.1", "192.0.2.7")]
)
def test_the_inbox_is_for_visitors_on_this_machine(database: Engine, inbox: Path, host: str, client: str) -> None:
    """With another address by --host, or behind a proxy, nobody's email is shown."""
    (kept,) = messages(inbox)
    with visitor(create_app(database, Settings(inbox_dir=inbox), lambda: None), host, client) as stranger:
        for path in ("/inbox", f"/inbox/{kept.key}", f"/inbox/{kept.key}/html", f"/inbox/{kept.key}/raw"):
            assert stranger.get(path).status_code == 404
        assert stranger.get("/privacy").status_code == 200


@pytest.mark.parametrize("public", [{"public_url": "https://papers.example.org"}, {"web_host": "0.0.0.0"}])
def test_no_inbox_beside_a_public_address(tmp_path: Path, public: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="DIGEST_INBOX_DIR: remove it"):
        Settings(inbox_dir=tmp_path, **public)  # type: ignore[arg-type]


def test_the_inbox_has_words_for_every_kind_of_mail():
    assert set(KINDS) == set(Kind)
