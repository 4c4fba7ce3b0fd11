"""Sign-in to the console, and the end of sessions."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from digest.clock import now
from digest.database.engine import read_only, transaction
from digest.database.tables import operators, sessions
from digest.ledger import events
from digest.monitoring.operators import IDLE, LINK_LIFETIME, LONGEST, OperatorRole, make_link, remove
from digest.settings import Settings
from digest.web.guard import redacted
from tests.conftest import Clock
from tests.web.conftest import SECRET, START, Visit
from tests.web.console.conftest import SignIn, browser_of, form_token, link_for

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def is_in(browser) -> bool:
    """Whether the console opens."""
    answer = browser.get("/console")
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def test_a_link_signs_in_once(visit: Visit) -> None:
    link, browser, other = link_for(visit), browser_of(visit), browser_of(visit)
    assert not is_in(browser)
    answer = browser.post(link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    assert is_in(browser)
    assert other.post(link).status_code == 403
    assert not is_in(other)


@SQLITE
def test_a_scanner_that_opens_the_link_uses_nothing_up_and_learns_nothing(visit: Visit) -> None:
    link, browser = link_for(visit), browser_of(visit)
    before = visit.everything()
    pages = [browser.get(path) for path in (link, link, "/console/sign-in/" + "x" * 43)]
    assert len({page.text for page in pages}) == 1
    assert not any("set-cookie" in page.headers for page in pages)
    assert visit.everything() == before
    assert browser.post(link).status_code == 303


def test_a_wrong_a_used_an_old_and_a_replaced_link_get_the_same_answer(visit: Visit, clock: Clock) -> None:
    used, replaced, old = (link_for(visit, name) for name in ("ada", "bob", "eve"))
    assert browser_of(visit).post(used).status_code == 303
    link_for(visit, "bob")
    browser = browser_of(visit)
    answers = [browser.post(link) for link in (used, replaced, "/console/sign-in/x", "/console/sign-in/%C3%A9")]
    clock.move_to(START + LINK_LIFETIME + timedelta(seconds=1))
    answers += [browser.post(old)]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    ("url", "cookie"),
    [
        ("https://papers.example", "__Host-console=…; HttpOnly; Max-Age=604800; Path=/; SameSite=strict; Secure"),
        ("http://127.0.0.1:8000", "console=…; HttpOnly; Max-Age=604800; Path=/console; SameSite=strict"),
        ("http://127.0.0.1:8000/daily", "console=…; HttpOnly; Max-Age=604800; Path=/daily/console; SameSite=strict"),
    ],
)
@SQLITE
def test_no_script_and_no_other_site_can_use_the_cookie(
    visit: Visit, settings: Settings, url: str, cookie: str
) -> None:
    browser = browser_of(visit, settings.model_copy(update={"public_url": url}))
    text = browser.post(link_for(visit)).headers["set-cookie"]
    name, _, rest = text.partition("=")
    session, _, flags = rest.partition(";")
    assert len(session) >= 43, "256 bits"
    assert f"{name}=…;{flags}" == cookie


@SQLITE
def test_what_the_database_holds_opens_nothing(visit: Visit) -> None:
    link, browser = link_for(visit), browser_of(visit)
    with read_only(visit.engine) as connection:
        hashed = connection.scalars(select(operators.c.link_hash)).one()
    assert browser.post(f"/console/sign-in/{hashed}").status_code == 403
    browser.post(link)
    with read_only(visit.engine) as connection:
        stored = connection.scalars(select(sessions.c.hash)).one()
    assert not is_in(with_cookie(visit, stored))
    assert is_in(with_cookie(visit, browser.cookies["console"]))


def with_cookie(visit: Visit, session: str):
    browser = browser_of(visit)
    browser.cookies.set("console", session)
    return browser


@SQLITE
def test_a_session_that_somebody_planted_is_not_the_one_that_begins(visit: Visit, signed_in: SignIn) -> None:
    """Session fixation: neither a made-up id nor that of another person's session lives on after signing in."""
    for planted in ("a" * 43, signed_in("eve").cookies["console"]):
        browser = with_cookie(visit, planted)
        answer = browser.post(link_for(visit))
        session = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
        assert session != planted
        assert is_in(with_cookie(visit, session))
        assert not is_in(with_cookie(visit, planted))


def test_a_session_ends_after_half_a_day_without_a_request_and_after_a_week_in_any_case(
    visit: Visit, signed_in: SignIn, clock: Clock
) -> None:
    used, idle = signed_in(), signed_in("bob")
    at, almost = START, IDLE - timedelta(minutes=1)
    clock.move_to(at := at + almost)
    assert is_in(used)
    clock.move_to(at := at + almost)
    assert is_in(used)
    assert not is_in(idle)
    while at + almost < START + LONGEST:
        clock.move_to(at := at + almost)
        assert is_in(used)
    clock.move_to(START + LONGEST + timedelta(minutes=1))
    assert not is_in(used)


def test_removal_another_role_and_signing_out_end_sessions_at_once(visit: Visit, signed_in: SignIn) -> None:
    removed, changed, same, out, twin = (signed_in(name) for name in ("ada", "bob", "eve", "tim", "tim"))
    link = link_for(visit, "ada")
    with transaction(visit.engine) as connection:
        assert remove(connection, "ada", now())
        make_link(connection, "bob", OperatorRole.VIEWER, now())
        make_link(connection, "eve", OperatorRole.OPERATOR, now())
    answer = out.post("/console/sign-out", data={"form_token": form_token(out.get("/console").text)})
    assert answer.headers["set-cookie"].startswith('console=""; ')
    kept = [is_in(browser) for browser in (removed, changed, same, out, twin)]
    assert kept == [False, False, True, False, True]
    assert browser_of(visit).post(link).status_code == 403
    assert not is_in(with_cookie(visit, twin.cookies["console"] + "x"))


@SQLITE
def test_who_signed_in_and_who_was_let_in_stand_in_the_operators_log(visit: Visit, signed_in: SignIn) -> None:
    browser = signed_in("ada", OperatorRole.VIEWER)
    browser.post("/console/sign-out", data={"form_token": form_token(browser.get("/console").text)})
    with read_only(visit.engine) as connection:
        logged = [(event.what, event.detail) for event in events.latest(connection, 9, "operator:ada")]
    by_ada = {"by": "ada", "through": "console"}
    by_root = {"by": "root", "through": "shell", "role": "viewer"}
    assert logged == [("signed out", by_ada), ("signed in", by_ada), ("operator added", by_root)]


# --- brute force ---


def test_attempts_to_sign_in_are_limited_by_network_and_keep_nobody_else_out(visit: Visit, clock: Clock) -> None:
    guesser, other = browser_of(visit, host="198.51.100.7"), browser_of(visit, host="192.0.2.1")
    codes = [guesser.post(f"/console/sign-in/{guess}").status_code for guess in range(12)]
    assert codes == [403] * 10 + [429] * 2
    refused = guesser.post(link_for(visit))
    assert refused.status_code == 429, "the right link, too: else it would answer guesses"
    assert 300 < int(refused.headers["retry-after"]) <= 361
    assert other.post(link_for(visit)).status_code == 303
    neighbours = [browser_of(visit, host=f"198.51.100.{host}") for host in range(8, 12)]
    codes = [browser.post("/console/sign-in/x").status_code for browser in neighbours for _ in range(10)]
    assert codes.count(403) == 20, "30 of the whole network"


@SQLITE
def test_a_network_that_was_refused_may_try_again_later(visit: Visit, settings: Settings, clock: Clock) -> None:
    guesser = browser_of(visit)
    assert [guesser.post("/console/sign-in/x").status_code for _ in range(11)][-1] == 429
    clock.move_to(START + timedelta(minutes=6, seconds=1))
    again = browser_of(visit, settings)  # another process, which did not refuse it
    assert [again.post("/console/sign-in/x").status_code for _ in range(2)] == [403, 429]


# --- a proxy that signs people in ---


def behind_proxy(settings: Settings, **changed: str) -> Settings:
    proxied = {"secret_key": SECRET, "console_user_header": "X-Remote-User", "console_proxies": "10.0.0.0/8, ::1"}
    return Settings(**(proxied | changed))  # type: ignore[arg-type]


@SQLITE
def test_a_trusted_proxy_names_the_operator(visit: Visit, settings: Settings) -> None:
    link_for(visit, "ada", OperatorRole.VIEWER)
    for host in ("10.1.2.3", "::1", "::ffff:10.1.2.3"):
        browser = browser_of(visit, behind_proxy(settings), host)
        assert "ada, viewer" in browser.get("/console", headers={"X-Remote-User": "ada"}).text
        assert browser.get("/console", headers={"X-Remote-User": "nobody"}).status_code == 401
        assert browser.get("/console").status_code == 401, "nothing is left of the last request"
        twice = [("X-Remote-User", "ada"), ("X-Remote-User", "ada")]
        assert browser.get("/console", headers=twice).status_code == 401
    everyone = browser_of(visit, behind_proxy(settings, console_header_role="operator"), "10.0.0.1")
    assert "someone, operator" in everyone.get("/console", headers={"X-Remote-User": "someone"}).text
    assert "ada, viewer" in everyone.get("/console", headers={"X-Remote-User": "ada"}).text


@pytest.mark.parametrize("host", ["192.0.2.1", "11.0.0.1", "testclient", ""])
@SQLITE
def test_a_stranger_who_sends_the_header_is_a_stranger(visit: Visit, settings: Settings, host: str) -> None:
    """Also one who says, through a proxy that is trusted with the client's address, to be the other proxy."""
    link_for(visit, "ada")
    lie = {"X-Remote-User": "ada", "X-Forwarded-For": "10.1.2.3"}
    for trusted in ("127.0.0.1", "192.0.2.0/24", "*"):
        browser = browser_of(visit, behind_proxy(settings, forwarded_allow_ips=trusted), host)
        assert browser.get("/console", headers=lie).status_code == 401
    unset = browser_of(visit, settings, "10.1.2.3")
    assert unset.get("/console", headers=lie).status_code == 401


@SQLITE
def test_a_form_of_someone_behind_a_proxy_needs_their_own_token(visit: Visit, settings: Settings) -> None:
    link_for(visit, "ada")
    link_for(visit, "bob")
    browser = browser_of(visit, behind_proxy(settings), "10.0.0.1")
    ada, bob = ({"X-Remote-User": name} for name in ("ada", "bob"))
    token = form_token(browser.get("/console", headers=ada).text)
    assert browser.post("/console/sign-out", data={"form_token": token}, headers=bob).status_code == 403
    assert browser.post("/console/sign-out", data={"form_token": token}, headers=ada).status_code == 303


# --- what is around the pages ---


@SQLITE
def test_no_page_of_the_console_is_kept_shown_in_frames_or_named_to_other_sites(
    visit: Visit, signed_in: SignIn
) -> None:
    browser = signed_in()
    for path in ("/console", "/console/sign-in/x", "/console/nothing"):
        headers = browser.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-robots-tag"] == "noindex"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
    assert redacted("/console/sign-in/secret") == "/console/sign-in/…", "in the log"
    assert "Disallow: /console" in browser.get("/robots.txt").text.splitlines()
    assert "connect-src" not in browser.get("/").headers["content-security-policy"]
