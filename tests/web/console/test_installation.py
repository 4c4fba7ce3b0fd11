"""Suppressions, sources and settings in the console."""

import re
from datetime import timedelta

import pytest
from pydantic import SecretStr

from digest.database.engine import read_only, transaction
from digest.ledger.kinds import SuppressionReason
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.settings import PREFIX, Settings
from digest.subscribers.subscriber import recipient_key
from digest.subscribers.suppressions import all_suppressions, suppress, suppression_of
from digest.web.console.installation import masked
from tests.web.conftest import SECRET, START, Visit
from tests.web.console import operators_pages
from tests.web.console.conftest import SignIn, do, form_token


def reason(visit: Visit, address: str) -> SuppressionReason | None:
    with read_only(visit.engine) as connection:
        return suppression_of(connection, recipient_key(address, SECRET.encode()))


def test_an_address_is_suppressed_looked_up_and_lifted(visit: Visit, ada) -> None:
    page = do(ada, "/console/suppressions/add", address="Gone@Example.org", reason="asked by phone")
    assert "The address gets no message from now on." in page
    assert "asked by phone" in page
    assert reason(visit, "gone@example.org") is SuppressionReason.OPERATOR
    assert "suppressed already" in do(ada, "/console/suppressions/add", address="gone@example.org")
    looked_up = ada.get("/console/suppressions", params={"q": "gone@example.org"}).text
    assert "gone@example.org is suppressed: operator." in looked_up
    key = recipient_key("gone@example.org", SECRET.encode())
    assert f"/console/suppressions/{key}/lift" in looked_up
    assert "may get messages again" in do(ada, f"/console/suppressions/{key}/lift")
    assert reason(visit, "gone@example.org") is None
    assert "is not suppressed" in ada.get("/console/suppressions", params={"q": "gone@example.org"}).text
    assert "not a whole address" in ada.get("/console/suppressions", params={"q": "gone@"}).text
    token = {"form_token": form_token(page)}
    assert ada.post("/console/suppressions/add", data=token | {"address": "gone"}).status_code == 400
    assert ada.post("/console/suppressions/gone/lift", data=token).status_code == 404


def test_long_lists_of_suppressions_are_shown_in_parts_through_an_index(
    visit: Visit, ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.web.console.suppressed._ROWS", 2)
    keys = [recipient_key(f"{number}@example.org", SECRET.encode()) for number in range(5)]
    with transaction(visit.engine) as connection:
        for number, key in enumerate(keys):
            suppress(connection, key, SuppressionReason.REFUSED, "550", START + timedelta(microseconds=number // 2))
    shown = operators_pages.all_parts(ada, "/console/suppressions", r"row\">(\w{8})…")
    assert sorted(shown) == sorted(key[:8] for key in keys)
    assert shown[0] == keys[4][:8], "the newest first"
    assert "ix_suppressions_created" in operators_pages.plan_of(
        visit.engine, lambda connection: all_suppressions(connection, 50, (START, keys[0]))
    )
    for wrong in ("x", "~", "2026~"):
        assert ada.get("/console/suppressions", params={"before": wrong}).status_code == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sources_show_their_last_answers_and_what_to_do(visit: Visit, ada) -> None:
    day = START.date()
    runs = [
        SourceRun("arxiv", day, START - timedelta(hours=2), SourceHealth.FRESH, 120, 7, (), "read"),
        SourceRun("arxiv", day, START - timedelta(hours=1), SourceHealth.FAILING, 0, 0, (), "no route to host"),
    ]
    with transaction(visit.engine) as connection:
        for run in runs:
            record_run(connection, run)
    page = " ".join(re.sub("<[^>]+>", " ", ada.get("/console/sources").text).split())
    assert "1 in a row, since 2026-11-23 08:30 UTC" in page
    assert "2026-11-23 failing 0 0 no route to host" in page
    assert f"{day} fresh 120 7 read" in page


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_settings_are_shown_without_a_secret(visit: Visit, signed_in: SignIn) -> None:
    hidden = {
        "secret_key": SECRET,
        "redis_url": "redis://:hush1@127.0.0.1:6379/0",
        "smtp_url": "smtp+starttls://user:hush2@127.0.0.1:587",
        "database_url": "postgresql://digest:hush3@127.0.0.1/digest",
    }
    settings = Settings(**hidden, title="Hidden Papers")  # type: ignore[arg-type]
    page = signed_in(settings=settings).get("/console/settings").text
    assert all(f"{PREFIX}{name.upper()}" in page for name in Settings.model_fields)
    assert "Hidden Papers" in page
    for secret in (SECRET, "hush", "127.0.0.1:587"):
        assert secret not in page


def test_what_may_hold_a_secret_is_masked() -> None:
    assert masked(SecretStr("hush")) == "set, and not shown"
    assert masked(("https://user:hush@example.org/feed?key=hush", "https://example.org/")) == (
        "https://…example.org/feed?…, https://example.org/"
    )
    assert [masked(value) for value in (None, "", True, 0, {"example.org": 2.0})] == [
        "empty",
        "empty",
        "true",
        "0",
        "example.org=2.0",
    ]
