"""SPF records are evaluated as in RFC 7208."""

import pytest

from digest.monitoring.doctor.lookups import Lookups, NoAnswer
from digest.monitoring.doctor.spf import SpfCheck, SpfResult
from tests.support.dns_server import DnsServer, txt

ZONE = {
    ("mx.example", "MX"): ["10 a.example.", "20 b.example."],
    ("a.example", "A"): ["192.0.2.10"],
    ("a.example", "AAAA"): ["2001:db8::10"],
    ("b.example", "A"): ["192.0.2.20"],
    ("ok.example", "TXT"): [txt("v=spf1 ip4:198.51.100.0/24 -all")],
    ("soft.example", "TXT"): [txt("v=spf1 ~all")],
    ("loop.example", "TXT"): [txt("v=spf1 include:loop.example -all")],
    ("slow.example", "TXT"): [txt("v=spf1 " + " ".join(f"a:x{number}.example" for number in range(3)) + " -all")],
}


@pytest.fixture(scope="module")
def dns():
    with DnsServer(dict(ZONE), broken={"broken.example"}) as server:
        yield server


@pytest.mark.parametrize(
    ("record", "address", "result"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.9", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.3.9", "fail"),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::9", "pass"),
        ("v=spf1 ip6:2001:db8::/32 -all", "192.0.2.9", "fail"),
        ("v=spf1 a:a.example ~all", "192.0.2.10", "pass"),
        ("v=spf1 a:a.example ~all", "2001:db8::10", "pass"),
        ("v=spf1 a:a.example/24 ~all", "192.0.2.200", "pass"),
        ("v=spf1 a:a.example//64 ~all", "2001:db8::99", "pass"),
        ("v=spf1 a:a.example//64 ~all", "192.0.2.11", "softfail"),
        ("v=spf1 mx:mx.example -all", "192.0.2.20", "pass"),
        ("v=spf1 mx:mx.example/28 -all", "192.0.2.21", "pass"),
        ("v=spf1 include:ok.example -all", "198.51.100.7", "pass"),
        ("v=spf1 include:ok.example -all", "192.0.2.1", "fail"),
        ("v=spf1 include:soft.example ?all", "192.0.2.1", "neutral"),
        ("v=spf1 redirect=ok.example", "198.51.100.7", "pass"),
        ("v=spf1 redirect=ok.example", "192.0.2.1", "fail"),
        ("v=spf1 ip4:192.0.2.1", "192.0.2.2", "neutral"),
        ("v=spf1 -ip4:192.0.2.1 +all", "192.0.2.1", "fail"),
        ("V=SPF1 IP4:192.0.2.1 -ALL", "192.0.2.1", "pass"),
        ("v=spf1 exists:a.example -all", "203.0.113.1", "pass"),
        ("v=spf1 exp=why.example -all", "203.0.113.1", "fail"),
        ("v=spf10 +all", "192.0.2.1", "none"),
        ("v=spf1 include:absent.example -all", "192.0.2.1", "permerror"),
        ("v=spf1 include:loop.example -all", "192.0.2.1", "permerror"),
        ("v=spf1 include:slow.example -all", "192.0.2.1", "permerror"),
        ("v=spf1 ip4:192.0.2.300 -all", "192.0.2.1", "permerror"),
        ("v=spf1 ipv4:192.0.2.1 -all", "192.0.2.1", "permerror"),
        ("v=spf1 " + "a:a.example " * 11 + "-all", "198.51.100.1", "permerror"),
        ("v=spf1 " + "a:a.example " * 10 + "-all", "198.51.100.1", "fail"),
    ],
)
def test_a_record_is_read_as_receivers_do(dns, record, address, result):
    dns.records["we.example", "TXT"] = [txt(record)]
    check = SpfCheck(Lookups(dns.address), address)
    assert check.run("we.example") == SpfResult(result), check.problem
    assert bool(check.problem) == (result == "permerror")


def test_a_failing_dns_gives_no_result(dns):
    dns.records["we.example", "TXT"] = [txt("v=spf1 include:broken.example -all")]
    with pytest.raises(NoAnswer, match=r"broken\.example"):
        SpfCheck(Lookups(dns.address), "192.0.2.1").run("we.example")


def test_a_silent_dns_times_out():
    with DnsServer(silent=True) as server:
        dns = Lookups(server.address, seconds=0.2)
        with pytest.raises(NoAnswer, match="did not reply in time"):
            dns.texts("we.example")
        with pytest.raises(NoAnswer, match="too slow"):
            dns.texts("we.example")
