"""The HTTP client, against a server that answers well and badly."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address, ip_address

import httpx2
import pytest

from digest.papers.sources.fetch import MAX_BYTES, Fetcher, FetchResponse, Refused, RequestPolicy, Ticking
from digest.papers.sources.fetch.addresses import Origin, is_public_address, redirect_problem
from digest.papers.sources.source import SourceUnavailable, Validator
from tests.support.replay import Replay, Reply, replaying


@pytest.fixture
def server() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


class FakeTime:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def ticking(self) -> Ticking:
        return Ticking(wall=lambda: self.now, monotonic=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def fetcher(server: Replay, time: FakeTime, **manners: float | str) -> Fetcher:
    return Fetcher(server.url, RequestPolicy(**manners), time.ticking())  # type: ignore[arg-type]


def test_a_good_answer_comes_whole_with_its_validator(server: Replay, time: FakeTime) -> None:
    headers = {"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 06:00:00 GMT"}
    server.answers("/x", Reply(b"[1, 2]", headers=headers))
    answer = fetcher(server, time).get(f"{server.url}/x")
    assert answer == FetchResponse(b"[1, 2]", validator=Validator('"1"', "Mon, 23 Nov 2026 06:00:00 GMT"))


def test_the_request_says_who_asks_and_never_more_than_a_line(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(b"ok"))
    fetcher(server, time, contact="ops@example.org\r\nX-Evil: 1").get(f"{server.url}/x")
    headers = server.asked[0][1]
    assert "digest/" in headers["user-agent"]
    assert "ops@example.org" in headers["user-agent"]
    assert "x-evil" not in headers


def test_what_is_unchanged_is_asked_for_by_its_validator(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(status=304, headers={"ETag": '"1"'}))
    answer = fetcher(server, time).get(f"{server.url}/x", Validator('"1"', "Mon, 23 Nov 2026 06:00:00 GMT"))
    assert answer.unchanged
    assert server.asked[0][1]["if-none-match"] == '"1"'
    assert server.asked[0][1]["if-modified-since"] == "Mon, 23 Nov 2026 06:00:00 GMT"


def test_unchanged_without_having_asked_is_no_answer(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(status=304))
    with pytest.raises(SourceUnavailable, match="304"):
        fetcher(server, time).get(f"{server.url}/x")


def test_a_short_retry_after_is_waited_for(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(status=429, headers={"Retry-After": "7"}), Reply(b"now"))
    assert fetcher(server, time).get(f"{server.url}/x").body == b"now"
    assert time.slept == [7.0]


def test_retry_after_may_be_a_date(server: Replay, time: FakeTime) -> None:
    then = datetime.fromtimestamp(time.now, UTC) + timedelta(seconds=9)
    server.answers("/x", Reply(status=503, headers={"Retry-After": format_datetime(then, usegmt=True)}), Reply(b"now"))
    assert fetcher(server, time).get(f"{server.url}/x").body == b"now"
    assert time.slept == [9.0]


@pytest.mark.parametrize("seconds", ["25", "3600", "99999999999999999999"])
def test_a_wait_that_does_not_fit_is_named_and_not_waited_for(server: Replay, time: FakeTime, seconds: str) -> None:
    server.answers("/x", Reply(status=429, headers={"Retry-After": seconds}))
    with pytest.raises(SourceUnavailable, match=r"429 Too Many Requests and asks to wait \d+ seconds"):
        fetcher(server, time).get(f"{server.url}/x")
    assert time.slept == []


@pytest.mark.parametrize(
    "date",
    ["Mon, 01 Jan 99999999999 00:00:00 GMT", "Thu, 31 Dec 9999 23:59:59 -2359", "9" * 5000, "-1", "soon", "\xff"],
)
def test_an_impossible_retry_after_is_an_ordinary_failure(server: Replay, time: FakeTime, date: str) -> None:
    server.answers("/x", Reply(status=503, headers={"Retry-After": date}))
    with pytest.raises(SourceUnavailable, match="answered 503 Service Unavailable"):
        fetcher(server, time).get(f"{server.url}/x")


def test_an_error_of_the_server_is_retried_twice_with_longer_waits(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(status=500))
    with pytest.raises(SourceUnavailable, match="500 Internal Server Error"):
        fetcher(server, time).get(f"{server.url}/x")
    assert len(server.asked) == 3
    assert time.slept == sorted(time.slept)
    assert len(time.slept) == 2


def test_an_error_of_ours_is_not_retried_and_keeps_what_was_said(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(b"no such day", status=400))
    with pytest.raises(Refused, match="400 Bad Request") as refused:
        fetcher(server, time).get(f"{server.url}/x")
    assert refused.value.body == b"no such day"
    assert len(server.asked) == 1


def test_requests_to_one_host_keep_their_distance(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(b"ok"))
    polite = fetcher(server, time, spacing_seconds=3.0)
    for _ in range(3):
        polite.get(f"{server.url}/x")
    assert time.slept == [3.0, 3.0]


def test_a_server_that_cannot_be_reached_is_one_clear_line(time: FakeTime) -> None:
    with replaying() as gone:
        url = gone.url
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1 cannot be reached") as caught:
        Fetcher(url, RequestPolicy(), time.ticking()).get(f"{url}/x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://", "http://[::1", "nonsense"])
def test_only_web_addresses_are_fetched(time: FakeTime, url: str) -> None:
    with pytest.raises(SourceUnavailable):
        Fetcher(url, RequestPolicy(), time.ticking()).get(url)


def test_an_endless_answer_ends_at_the_limit(server: Replay, time: FakeTime) -> None:
    endless = Reply(b"[1, ", endless=True)
    server.answers("/x", endless)
    answer = fetcher(server, time).get(f"{server.url}/x")
    assert endless.written < 2 * MAX_BYTES
    assert len(answer.body) == MAX_BYTES
    assert answer.cut == "the answer is larger than 10 MB"


def test_a_body_that_breaks_off_is_tried_again_and_then_kept_as_cut(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(b"[1, 2", headers={"ETag": '"1"'}, cut=100))
    answer = fetcher(server, time).get(f"{server.url}/x")
    assert (answer.body, answer.validator) == (b"[1, 2", Validator())
    assert "broke" in answer.cut
    assert len(server.asked) == 3


def test_a_dripping_answer_ends_with_the_deadline(server: Replay) -> None:
    server.answers("/x", Reply(b"[", drip=True))
    answer = Fetcher(server.url, RequestPolicy(timeout_seconds=0.4)).get(f"{server.url}/x")
    assert answer.cut.startswith("the answer was not complete within")


def test_a_silent_server_is_given_up(server: Replay) -> None:
    server.answers("/x", Reply(b"late", silent_seconds=30))
    with pytest.raises(SourceUnavailable, match="did not answer within"):
        Fetcher(server.url, RequestPolicy(timeout_seconds=0.3)).get(f"{server.url}/x")


def test_a_redirect_within_the_configured_address_is_followed(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(status=302, headers={"Location": "/y"}))
    server.answers("/y", Reply(b"here"))
    assert fetcher(server, time).get(f"{server.url}/x").body == b"here"


def test_redirects_in_a_circle_end(server: Replay, time: FakeTime) -> None:
    server.answers("/x", Reply(status=302, headers={"Location": "/x"}))
    with pytest.raises(SourceUnavailable, match="more than 3 times"):
        fetcher(server, time).get(f"{server.url}/x")
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://127.0.0.1:1/",
        "http://localhost:1/",
        "http://2130706433/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::1]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0/",
        "//169.254.169.254/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
    ],
)
def test_a_redirect_into_the_operators_network_is_refused(server: Replay, time: FakeTime, target: str) -> None:
    server.answers("/x", Reply(status=302, headers={"Location": target}))
    with pytest.raises(SourceUnavailable, match="not followed"):
        fetcher(server, time).get(f"{server.url}/x")
    assert len(server.asked) == 1


def test_another_port_of_the_configured_host_is_another_place(server: Replay, time: FakeTime) -> None:
    with replaying() as other:
        server.answers("/x", Reply(status=302, headers={"Location": f"{other.url}/secret"}))
        with pytest.raises(SourceUnavailable, match="not a public address"):
            fetcher(server, time).get(f"{server.url}/x")
        assert other.asked == []


def test_where_a_name_really_led_is_checked_after_connecting(
    server: Replay, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may be public when it is looked up and inside the network when it is connected to."""
    with replaying() as inside:
        server.answers("/x", Reply(status=302, headers={"Location": f"{inside.url}/secret"}))
        monkeypatch.setattr("digest.papers.sources.fetch.addresses._addresses", lambda _place: ["93.184.216.34"])
        with pytest.raises(SourceUnavailable, match="leads to 127"):
            fetcher(server, time).get(f"{server.url}/x")
        assert inside.asked == []


def test_a_redirect_from_tls_to_clear_text_is_refused() -> None:
    home = Origin("example.org", 443)
    assert "without TLS" in redirect_problem("https://example.org/a", "http://93.184.216.34/", home)
    assert redirect_problem("https://example.org/a", "https://93.184.216.34/", home) == ""


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "192.0.0.8",
        "192.88.99.1",
        "::",
        "fec0::1",
        "4000::1",
        "name",
    ],
)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize("inside", ["10.1.2.3", "127.0.0.1", "169.254.169.254", "192.0.0.8"])
@pytest.mark.parametrize(
    "form",
    [
        "::{a}",
        "::ffff:{a}",
        "::ffff:0:{a}",
        "64:ff9b::{a}",
        "64:ff9b:1::{a}",
        "64:ff9b:1:ffff:ffff:ffff:{a}",
        "2002:{a}::1",
        "2001:0:{a}::",
        "2001:0:5db8:d822:0:0:{a}",
        "fe80::5efe:{a}",
    ],
)
def test_private_addresses_are_not_public_in_any_form_of_ipv6(form: str, inside: str) -> None:
    number = int(IPv4Address(inside))
    text = form.replace("{a}", f"{number >> 16:x}:{number & 0xFFFF:x}")
    assert ip_address(text)
    assert not is_public_address(text)


@pytest.mark.parametrize(
    "error", [httpx2.ReadError("x\ny"), httpx2.DecodingError("x"), httpx2.ConnectTimeout("x"), httpx2.InvalidURL("x")]
)
def test_no_error_of_the_library_escapes(time: FakeTime, error: Exception) -> None:
    def handle(_request: httpx2.Request) -> httpx2.Response:
        raise error

    strange = Fetcher("https://example.org", RequestPolicy(), time.ticking(), httpx2.MockTransport(handle))
    with pytest.raises(SourceUnavailable) as caught:
        strange.get("https://example.org/x")
    assert "\n" not in str(caught.value)
