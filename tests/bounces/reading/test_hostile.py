"""Hostile messages cause no errors, take no seconds, and leave at most one line of text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.bounces.reading import read
from digest.bounces.report import Report
from tests.bounces.reading.messages import complaint, dsn, failed, notice

REPORTS = (
    dsn(failed("ann@example.net", "5.1.1", "550 5.1.1 User unknown")),
    complaint("Feedback-Type: abuse\nOriginal-Rcpt-To: ann@example.net\n"),
    notice("<ann@example.net>:\n550 5.1.1 user unknown\n\n--- Original message follows.\nTo: ann@example.net\n"),
    notice('{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"ann@example.net"}]}}'),
)
NESTED = "".join(f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(3000)).encode()
DEEP = "".join(f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(150)).encode()
PIECES = st.sampled_from(
    [
        b"",
        b"\0",
        b"\xff\xfe",
        b"\n\n",
        b"--b",
        b"=?utf-8?b?",
        b"Content-Type: text/plain; charset=rot13\n",
        b"<@>:",
        b"{",
    ]
)


def is_bounded(report: Report) -> bool:
    texts = (report.diagnostic, report.recipient, report.return_path, report.message_id, report.token, report.reporter)
    return all(len(text or "") <= 500 and (text or "").isprintable() for text in texts)


@given(st.sampled_from(REPORTS), st.integers(0, 1500), st.integers(0, 200), PIECES)
def test_a_damaged_report_is_read_as_far_as_it_goes(report: bytes, at: int, dropped: int, piece: bytes) -> None:
    assert all(map(is_bounded, read(report[:at] + piece + report[at + dropped :]) + read(report[:at])))


@pytest.mark.parametrize(
    "message",
    [
        NESTED,
        DEEP + b"\n" * 200_000,
        notice("".join(f"<a{n}@b.example>:\n" for n in range(100)) + "x\n" * 110_000),
        b"Content-Type: message/rfc822\n\n" * 3000,
        notice("<a@b.example>:\n" * 50_000),
        notice("a" * 1_000_000),
        notice("a@" * 200_000),
        notice("user " * 100_000 + "unknown"),
        notice(" " * 300_000 + "x"),
        notice("[" * 200_000 + '{"notificationType"'),
        notice('{"notificationType":' + "[" * 200_000),
        notice("(expanded from: " * 20_000),
        dsn(*(failed(f"a{n}@example.net", "5.1.1", "550 no") for n in range(5_000))),
        dsn(failed("ann@example.net", "5.1.1", "550 " + "1.1.1." * 50_000)),
        b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\nFrom: MAILER-DAEMON@x.example\n\nx",
        b"Subject: failure\n" + b"X: y\n" * 50_000 + b"\n<a@b.example>:\n550 no",
    ],
    ids=lambda message: str(message[:24]),
)
def test_no_message_takes_long(message: bytes) -> None:
    begun = time.process_time()
    reports = read(message)
    assert time.process_time() - begun < 1.2  # of CPU time; most take less than 0.1 s
    assert 1 <= len(reports) <= 200
    assert all(map(is_bounded, reports))
