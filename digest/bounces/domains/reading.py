"""Reads DMARC aggregate reports and TLS reports from messages. Pure, with bounded work on hostile input."""

import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.parser import BytesParser
from email.policy import compat32
from enum import StrEnum
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from digest.bounces.reading.opened import MAX_MESSAGE

MAX_UNPACKED = 10_000_000
_MAX_ROWS = 20_000
_MAX_DETAILS = 50  # sources or causes kept from one report
_NOT_A_REPORT = (
    *(ParseError, DefusedXmlException, ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError),
    RecursionError,
)
_PACKED = ("zip", "gzip", "x-gzip", "xml", "json", "octet-stream", "x-zip-compressed")


class DomainReportKind(StrEnum):
    DMARC = "dmarc"
    TLS = "tls"


@dataclass(frozen=True)
class DomainSummary:
    """Messages (DMARC) or connections (TLS) of a domain in a period, as counted by one receiver."""

    kind: DomainReportKind
    reporter: str
    report_id: str
    domain: str
    begins_at: datetime
    ends_at: datetime
    passed: int
    failed: int
    failures: dict[str, int] = field(default_factory=dict)  # by source address (DMARC) or by cause (TLS)


def domain_summaries(message: bytes) -> list[DomainSummary]:
    """Return the summaries attached to a message; an empty list for anything else."""
    beginning = message[:20_000].lower()
    if not any(mark in beginning for mark in (b"report domain", b"dmarc", b"tlsrpt", b"report-id")):
        return []
    return [summary for content in _attached(message[:MAX_MESSAGE]) for summary in _summaries(content)]


def _attached(message: bytes) -> Iterator[bytes]:
    """Yield the attached files, unpacked."""
    try:
        parts = list(BytesParser(policy=compat32).parsebytes(message).walk())[:20]
    except (MessageError, ValueError, LookupError, RecursionError):
        return
    for part in parts:
        subtype = part.get_content_subtype().lower().rpartition("+")[2]
        content = part.get_payload(decode=True) if subtype in _PACKED else None
        if isinstance(content, bytes) and (unpacked := _unpacked(content)):
            yield unpacked


def _unpacked(content: bytes) -> bytes:
    """Return the file, or the first file in a zip or gzip archive; empty if it is damaged or too large."""
    try:
        if content.startswith(b"PK"):
            with zipfile.ZipFile(BytesIO(content)) as archive, archive.open(archive.infolist()[0]) as file:
                content = file.read(MAX_UNPACKED + 1)
        elif content.startswith(b"\x1f\x8b"):
            content = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, MAX_UNPACKED + 1)
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, IndexError, RuntimeError):
        return b""
    return content if len(content) <= MAX_UNPACKED else b""


def _summaries(content: bytes) -> list[DomainSummary]:
    try:
        return list(_tls(json.loads(content))) if content.lstrip().startswith(b"{") else [_dmarc(content)]
    except _NOT_A_REPORT:
        return []


def _dmarc(content: bytes) -> DomainSummary:
    root = fromstring(content, forbid_dtd=True)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # some elements have a namespace
    passed, failures = 0, Counter[str]()
    for row in root.findall("record/row")[:_MAX_ROWS]:
        count = int(_text(row, "count"))
        if "pass" in (_text(row, "policy_evaluated/dkim"), _text(row, "policy_evaluated/spf")):
            passed += count
        else:
            failures[_text(row, "source_ip")[:60]] += count
    begins, ends = (_second(_text(root, f"report_metadata/date_range/{name}")) for name in ("begin", "end"))
    names = (_text(root, "report_metadata/org_name"), _text(root, "report_metadata/report_id"))
    return _summary(
        DomainReportKind.DMARC, names, _text(root, "policy_published/domain"), (begins, ends), (passed, failures)
    )


def _tls(report: dict[str, Any]) -> Iterator[DomainSummary]:
    period = report["date-range"]
    begins, ends = (datetime.fromisoformat(period[name]).astimezone(UTC) for name in ("start-datetime", "end-datetime"))
    names = (str(report["organization-name"]), str(report["report-id"]))
    for policy in report["policies"][:100]:
        failures = Counter[str]()
        for detail in policy.get("failure-details", [])[:_MAX_ROWS]:
            failures[str(detail["result-type"])[:60]] += int(detail["failed-session-count"])
        sums = policy["summary"]
        missing = int(sums["total-failure-session-count"]) - failures.total()
        failures += Counter({"not said": missing})
        counts = (int(sums["total-successful-session-count"]), failures)
        yield _summary(DomainReportKind.TLS, names, str(policy["policy"]["policy-domain"]), (begins, ends), counts)


def _summary(
    kind: DomainReportKind,
    names: tuple[str, str],
    domain: str,
    period: tuple[datetime, datetime],
    counts: tuple[int, Counter[str]],
) -> DomainSummary:
    reporter, report_id = (" ".join(name.split())[:120] for name in names)
    passed, failures = counts
    if not domain or not report_id or passed < 0 or max(passed, failures.total()) > 2**31 - 1:
        raise ValueError("not a report")
    kept = dict(failures.most_common(_MAX_DETAILS))
    return DomainSummary(kind, reporter, report_id, domain.lower()[:254], *period, passed, failures.total(), kept)


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip().replace("\0", "")


def _second(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)
