"""/metrics answers Prometheus on this machine, in a listed network or with the token; nobody else learns of it."""

import re

import pytest
from httpx2 import Response
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as classic
from pydantic import SecretStr
from sqlalchemy import create_engine
from starlette.testclient import TestClient
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from digest.settings import Settings
from digest.web.app import create_app
from digest.web.page_cache import middleware as page_cache
from tests.support.scenario import ON_SQLITE
from tests.web.conftest import Visit

TOKEN = "a-token-for-prometheus"
STRANGER, HERE = "203.0.113.7", "127.0.0.1"
LOCAL = "http://127.0.0.1:8000"
SITE = "http://papers.example.org"
pytestmark = ON_SQLITE


def ask(
    visit: Visit, settings: Settings, peer: str, url: str = f"{LOCAL}/metrics", method: str = "GET", **headers: str
) -> Response:
    """The answer to a peer of the connection, behind the proxies that the settings trust."""
    app = ProxyHeadersMiddleware(create_app(visit.engine, settings, lambda: None), settings.forwarded_allow_ips)  # type: ignore[arg-type]
    browser = TestClient(app, client=(peer, 50_000))  # type: ignore[arg-type]
    named = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    return browser.request(method, url, headers=named)


def with_token(settings: Settings) -> Settings:
    return settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})


@pytest.mark.parametrize("peer", [HERE, "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_prometheus_on_this_machine_reads_the_metrics(visit: Visit, settings: Settings, peer: str) -> None:
    answer = ask(visit, settings, peer)
    assert answer.status_code == 200
    assert "digest_database_up 1.0" in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_stranger_gets_the_answer_of_any_unknown_page(visit: Visit, settings: Settings, method: str) -> None:
    answer, unknown = (
        ask(visit, with_token(settings), STRANGER, f"{SITE}/{page}", method) for page in ("metrics", "metricz")
    )
    assert (answer.status_code, answer.content) == (404, unknown.content)
    assert {*answer.headers} == {*unknown.headers}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_token_opens_the_page_from_anywhere(visit: Visit, settings: Settings, scheme: str) -> None:
    answer = ask(visit, with_token(settings), STRANGER, f"{SITE}/metrics", authorization=f"{scheme} {TOKEN}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "given",
    ["Bearer wrong", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ", "Bearer é"],
)
def test_no_other_token_does(visit: Visit, settings: Settings, given: str) -> None:
    for chosen in (with_token(settings), settings):  # an empty token must not open an installation without a token
        assert ask(visit, chosen, STRANGER, authorization=given).status_code == 404


@pytest.mark.parametrize(
    ("peer", "status"), [("10.1.2.3", 200), ("::ffff:10.1.2.3", 200), ("10.2.0.1", 404), (HERE, 404), ("unix", 404)]
)
def test_the_setting_names_the_networks_that_may_read_it(
    visit: Visit, settings: Settings, peer: str, status: int
) -> None:
    chosen = settings.model_copy(update={"metrics_allow": ("10.1.0.0/16",)})
    assert ask(visit, chosen, peer).status_code == status


@pytest.mark.parametrize(
    ("peer", "trusted", "url", "headers"),
    [
        (STRANGER, HERE, LOCAL, {"x_forwarded_for": HERE}),  # straight to the process
        (HERE, HERE, LOCAL, {"x_forwarded_for": f"{HERE}, {STRANGER}"}),  # a proxy appends the stranger to the lie
        (HERE, HERE, LOCAL, {"x_forwarded_for": HERE}),  # a proxy passes the lie on
        (HERE, HERE, LOCAL, {"x_real_ip": STRANGER}),  # a proxy names the stranger elsewhere
        (HERE, HERE, LOCAL, {"forwarded": f"for={STRANGER}"}),
        (HERE, HERE, SITE, {}),  # a proxy names nobody, but what was asked for
        (HERE, HERE, "http://rebound.example.net", {}),  # a name of this machine, for a browser on it
        (STRANGER, "*", LOCAL, {"x_forwarded_for": HERE}),
        (STRANGER, "*", LOCAL, {"x_forwarded_for": "10.1.2.3"}),
        (HERE, HERE, SITE, {"x_forwarded_for": f"10.1.2.3, {STRANGER}"}),
    ],
)
def test_a_lie_about_the_address_opens_nothing(
    visit: Visit, settings: Settings, peer: str, trusted: str, url: str, headers: dict[str, str]
) -> None:
    allowed = ("127.0.0.0/8", "10.1.0.0/16")
    chosen = settings.model_copy(update={"forwarded_allow_ips": trusted, "metrics_allow": allowed})
    assert ask(visit, chosen, peer, f"{url}/metrics", **headers).status_code == 404


def test_a_proxy_passes_on_a_prometheus_of_a_listed_network(visit: Visit, settings: Settings) -> None:
    chosen = settings.model_copy(update={"metrics_allow": ("10.1.0.0/16",)})
    assert ask(visit, chosen, HERE, f"{SITE}/metrics", x_forwarded_for="10.1.2.3").status_code == 200


def test_the_page_is_only_for_reading_and_no_list_of_pages_names_it(visit: Visit, settings: Settings) -> None:
    assert ask(visit, settings, HERE, method="POST", origin=LOCAL).status_code == 405
    assert ask(visit, settings, HERE, method="HEAD").content == b""
    for page in ("robots.txt", "sitemap.xml", ""):
        assert "metrics" not in visit.browser.get(f"/{page}").text
    assert page_cache._PUBLIC.fullmatch("/metrics") is None


@pytest.mark.parametrize(
    ("accept", "read"),
    [
        ("", classic),
        ("text/plain;version=0.0.4", classic),
        ("application/openmetrics-text;version=1.0.0;charset=utf-8", open_metrics),
    ],
)
def test_prometheus_reads_every_family_in_both_of_its_formats(
    visit: Visit, settings: Settings, accept: str, read: object
) -> None:
    answer = ask(visit, settings, HERE, accept=accept)
    families = list(read(answer.text))  # type: ignore[operator]
    assert len({family.name for family in families}) == len(families) >= 20
    for family in families:
        assert re.fullmatch(r"digest(_[a-z]+)+", family.name)
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter", "info")
        if family.type == "counter":
            assert {sample.name for sample in family.samples} <= {f"{family.name}_total"}


def test_without_a_database_the_page_says_so_and_shows_what_else_is_known(visit: Visit, settings: Settings) -> None:
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 1})
    browser = TestClient(create_app(away, settings, lambda: None), LOCAL, client=(HERE, 50_000))
    answer = browser.get("/metrics")
    values = {sample.name: sample.value for family in classic(answer.text) for sample in family.samples}
    assert (answer.status_code, values["digest_database_up"], values["digest_build_info"]) == (200, 0, 1)
    assert 0 < values["digest_disk_free_ratio"] < 1
    assert 'digest_problems{level="critical",name="database"} 1.0' in answer.text
    assert "digest_messages" not in answer.text
    assert "digest_subscribers" not in answer.text
