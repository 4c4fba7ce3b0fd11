"""Previews of every kind of message in the console."""

import pytest

from digest.ledger.kinds import Kind
from tests.web.console.conftest import browser_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_each_kind_is_composed_in_each_language_and_breaks_no_rule(ada, language):
    for kind in Kind:
        page = ada.get(f"/console/templates?kind={kind}&language={language}").text
        assert page.count("<iframe") == 4, kind
        assert '<ul class="problems">' not in page, kind
        frame = ada.get(f"/console/templates/frame?kind={kind}&language={language}&dark=1")
        assert frame.headers["Content-Security-Policy"].endswith("sandbox")
        assert f'lang="{language}"' in frame.text


@pytest.mark.parametrize(
    ("papers", "shown"),
    [
        ("first issue", "This is your first issue"),
        ("long titles, no abstracts", "Attention, quantization"),
        ("one paper", "1 paper"),
    ],
)
def test_a_digest_is_shown_with_odd_papers_too(ada, papers, shown):
    assert shown in ada.get("/console/templates", params={"papers": papers}).text


def test_it_shows_what_one_subscriber_would_get(ada):
    page = ada.get("/console/templates?subscriber=bob@example.org").text
    assert "bob@example.org" in page
    assert page.count("<iframe") == 4
    assert "Nobody has this address." in ada.get("/console/templates?subscriber=nobody@example.org").text
    assert "not an email address" in ada.get("/console/templates?subscriber=x").text


def test_without_an_issue_it_says_so(visit, signed_in):
    assert "No issue was cut yet." in signed_in("ada").get("/console/templates").text
    assert browser_of(visit).get("/console/templates").status_code == 401
