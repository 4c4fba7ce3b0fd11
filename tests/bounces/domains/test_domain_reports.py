"""DMARC and TLS reports about the domain as a whole."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from sqlalchemy import Engine

from digest.bounces.domains.reading import DomainReportKind, DomainSummary, domain_summaries
from digest.bounces.domains.store import newest
from digest.bounces.intake.taking import Taker
from digest.clock import now
from digest.database.engine import read_only

DMARC = b"""<?xml version="1.0"?><feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
<report_metadata><org_name>example.net</org_name><report_id>r1</report_id>
<date_range><begin>1795996800</begin><end>1796083199</end></date_range></report_metadata>
<policy_published><domain>Digest.example.org</domain></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>40</count>
<policy_evaluated><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row></record>
<record><row><source_ip>192.0.2.9</source_ip><count>3</count>
<policy_evaluated><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row></record></feedback>"""
TLS = {
    "organization-name": "Example",
    "report-id": "t1",
    "date-range": {"start-datetime": "2026-11-28T00:00:00Z", "end-datetime": "2026-11-28T23:59:59Z"},
    "policies": [
        {
            "policy": {"policy-domain": "digest.example.org"},
            "summary": {"total-successful-session-count": 7, "total-failure-session-count": 2},
            "failure-details": [{"result-type": "certificate-expired", "failed-session-count": 2}],
        }
    ],
}


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.xml", content)
    return file.getvalue()


def message(content: bytes, subtype: str = "zip") -> bytes:
    whole = EmailMessage()
    whole["From"], whole["To"], whole["Subject"] = (
        "dmarc@example.net",
        "dmarc@example.org",
        "Report Domain: example.org",
    )
    whole.set_content("See the attachment.")
    whole.add_attachment(content, "application", subtype, filename="report")
    return whole.as_bytes()


@pytest.mark.parametrize(
    ("pack", "subtype"), [(zipped, "zip"), (gzip.compress, "gzip"), (bytes, "xml")], ids=["zip", "gzip", "plain"]
)
def test_a_dmarc_report_is_summarized(pack: Callable[[bytes], bytes], subtype: str) -> None:
    begins, ends = datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    assert domain_summaries(message(pack(DMARC), subtype)) == [
        DomainSummary(
            DomainReportKind.DMARC, "example.net", "r1", "digest.example.org", begins, ends, 40, 3, {"192.0.2.9": 3}
        )
    ]


def test_a_tls_report_is_summarized() -> None:
    (summary,) = domain_summaries(message(gzip.compress(json.dumps(TLS).encode()), "tlsrpt+gzip"))
    assert (summary.kind, summary.domain, summary.passed, summary.failed) == ("tls", "digest.example.org", 7, 2)
    assert summary.failures == {"certificate-expired": 2}


WITH_ENTITY = DMARC.replace(b"?><", b'?><!DOCTYPE feedback [<!ENTITY a "r">]><').replace(b">r1<", b">&a;1<")
TOO_LARGE = DMARC + b" " * 11_000_000  # which compresses well


@pytest.mark.parametrize(
    "content",
    [
        b"",
        zipped(b"<a/>"),
        zipped(DMARC)[:200],
        gzip.compress(DMARC)[:-20],
        zipped(TOO_LARGE),
        gzip.compress(TOO_LARGE),
        zipped(WITH_ENTITY),
        zipped(DMARC.replace(b">40<", b">-40<")),
        zipped(DMARC.replace(b">1795996800<", b">99999999999999999<")),
        gzip.compress(b"[" * 100_000),
        gzip.compress(b'{"policies":' + b"[" * 100_000),
        b"PK\x03\x04" + b"\xff" * 100,
    ],
    ids=range(12),
)
def test_a_damaged_or_hostile_report_is_ignored(content: bytes) -> None:
    assert domain_summaries(message(content)) == []


def test_a_report_is_stored_once(engine: Engine) -> None:
    taker = Taker(engine, (b"k" * 32,), now)
    for _ in range(2):
        taker.message(message(zipped(DMARC)), "maildir")
    with read_only(engine) as connection:
        assert newest(connection, "", 10) == domain_summaries(message(zipped(DMARC)))
        assert newest(connection, "other.example", 10) == []
