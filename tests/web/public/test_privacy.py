"""The privacy page says what this installation does."""

import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.database.tables import subscribers
from digest.settings import Settings
from digest.subscribers.subscriptions import purge_pending
from digest.web.app import create_app
from tests.web.conftest import SECRET, START, Visit

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def said(visit: Visit, path: str = "/privacy", **others: object) -> str:
    chosen = Settings(secret_key=SECRET, **others)  # type: ignore[arg-type]
    browser = TestClient(create_app(visit.engine, chosen, lambda: None), base_url="http://127.0.0.1:8000")
    main = browser.get(path).text.partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", "", main).split())


def test_every_page_leads_to_it(visit: Visit) -> None:
    assert '<a href="/privacy">Privacy</a>' in visit.browser.get("/issues").text
    assert "/privacy</loc>" in visit.browser.get("/sitemap/pages.xml").text


def test_it_names_who_sends_who_carries_and_who_to_ask(visit: Visit) -> None:
    named = {
        "mail_from": "Papers <papers@lab.example>",
        "transactional_from": "Papers <hello@lab.example>",
        "smtp_url": "smtps://user:secret@mail.example.net:465 smtp://127.0.0.1:25",
        "contact": "ask@lab.example",
        "postal_address": "1 Paper Street",
    }
    text = said(visit, **named)
    assert "sent from papers@lab.example and hello@lab.example." in text
    assert "delivered by mail.example.net." in text
    assert "Contact ask@lab.example 1 Paper Street" in text
    assert "secret" not in text
    assert "user" not in text


def test_it_says_only_what_is_so_here(visit: Visit) -> None:
    plain = said(visit)
    assert "delivered by" not in plain
    assert "Reply to any of our emails." in plain
    assert "vote" not in plain
    assert "One last email explains how." in plain
    other = said(visit, sources="arxiv,readers", goodbye=False)
    assert "suggest or vote for" in other
    assert "One last email" not in other


def test_who_never_confirms_is_forgotten_when_it_says(visit: Visit) -> None:
    visit.browser.post("/subscribe", data={"email": "pending@example.org"})
    found = re.search(r"delete your details after (\d+) days", said(visit))
    assert found is not None
    days = timedelta(days=int(found[1]))
    assert purge_pending(visit.engine, START + days - timedelta(minutes=1)) == 0
    assert purge_pending(visit.engine, START + days + timedelta(minutes=1)) == 1


def test_every_column_about_a_reader_is_one_that_the_page_tells_of(visit: Visit) -> None:
    """A new column must be told of; then it is named here."""
    told = {
        "id", "key", "email", "status", "created_at", "changed_at",
        "requested_at", "requested_from", "form", "confirmed_at", "confirmed_from",
        "topics", "keywords", "categories", "authors", "labs", "muted_topics", "muted_words", "surprise", "balance",
        "papers", "full_lists", "frequency", "weekdays", "zone", "hour", "paused_until", "language", "link_version",
    }  # fmt: skip
    assert {column.name for column in subscribers.columns} == told


def test_it_names_the_mix_the_full_lists_and_the_profile(visit: Visit) -> None:
    text = said(visit)
    assert "the mix of papers, whether lists are always full" in text
    assert "A profile: which subjects count how much for you." in text


def test_it_speaks_chinese(visit: Visit) -> None:
    text = said(visit, "/privacy?lang=zh-CN")
    assert "我们不做什么" in text
    assert not re.search(r"[a-z]{3,} [a-z]{3,}", text.replace("digest@localhost", ""))
