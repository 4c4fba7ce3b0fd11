"""Each form of the console with each role, without its token, and from other sites."""

import pytest
from starlette.testclient import TestClient

from digest.clock import now
from digest.database.engine import transaction
from digest.issues.issue import NoticeText
from digest.mail.notices import add_notice
from digest.monitoring.operators import OperatorRole
from tests.web.conftest import Visit
from tests.web.console.conftest import SignIn, browser_of, form_token
from tests.web.rendered_pages import TODAY

pytestmark = [
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore:Duplicate Operation ID"),
]
OPEN = ("/console/sign-in", "/console/sign-in/{secret}")
FOR_ALL_ROLES = "/console/sign-out"
VALUES = {
    "day": str(TODAY),
    "kind": "daily",
    "domain": "example.org",
    "number": "1",
    "language": "en",
    "what": "quarantined",
    "key": "0" * 32,
}


@pytest.fixture(autouse=True)
def notice(filled: Visit) -> None:
    """A draft with the number 1."""
    with transaction(filled.engine) as connection:
        add_notice(connection, {"en": NoticeText("Subject", "Text")}, now())


def paths(browser: TestClient, method: str) -> list[str]:
    """Of every page or form of the console, with values in their places."""
    found = [path for path, methods in browser.app.openapi()["paths"].items() if method.lower() in methods]
    return [path.format(**VALUES) for path in found if path.startswith("/console") and path not in OPEN]


def test_a_stranger_sees_and_changes_nothing(filled: Visit) -> None:
    stranger = browser_of(filled)
    before = filled.everything()
    pages, forms = paths(stranger, "GET"), paths(stranger, "POST")
    assert "/console" in pages
    assert FOR_ALL_ROLES in forms
    answers = [stranger.get(path) for path in pages] + [stranger.post(path) for path in forms]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert filled.everything() == before


def test_a_viewer_sees_everything_and_changes_nothing(filled: Visit, signed_in: SignIn) -> None:
    viewer = signed_in("eve", OperatorRole.VIEWER)
    before = filled.everything()
    pages = {path: viewer.get(path) for path in paths(viewer, "GET")}
    assert {path for path, page in pages.items() if page.status_code != 200} <= {"/console/subscribers/1"}
    token = form_token(pages["/console"].text)
    for path in paths(viewer, "POST"):
        if path != FOR_ALL_ROLES:
            answer = viewer.post(path, data={"form_token": token, "confirmed": "yes"})
            assert (answer.status_code, "Viewers can’t change anything" in answer.text) == (403, True), path
    for path, page in pages.items():
        assert page.text.count("<form") - page.text.count('method="get"') <= 1, (path, "a form that only operators use")
    assert filled.everything() == before


def test_a_form_without_the_token_of_its_session_changes_nothing(filled: Visit, signed_in: SignIn) -> None:
    """As another site could send it, if a browser added the cookie all the same."""
    ada, other = signed_in("ada"), signed_in("bob")
    foreign = form_token(other.get("/console").text)
    before = filled.everything()
    for path in paths(ada, "POST"):
        for form in ({}, {"form_token": ""}, {"form_token": foreign}, {"form_token": "é" * 32}):
            answer = ada.post(path, data=form | {"confirmed": "yes"})
            assert (answer.status_code, "This form is out of date" in answer.text) == (403, True), path
    assert filled.everything() == before


def test_a_form_of_another_site_changes_nothing_even_with_the_token(filled: Visit, signed_in: SignIn) -> None:
    ada = signed_in("ada")
    token = form_token(ada.get("/console").text)
    before = filled.everything()
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}):
        for path in paths(ada, "POST"):
            answer = ada.post(path, data={"form_token": token, "confirmed": "yes"}, headers=headers)
            assert answer.status_code == 403, path
    assert filled.everything() == before
