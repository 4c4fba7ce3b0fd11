"""Delivery status notifications (RFC 3464)."""

from datetime import UTC, datetime

import pytest

from digest.bounces.reading import read
from digest.bounces.report import Report, ReportKind
from tests.bounces.reading.messages import dsn, failed


def kinds(message: bytes) -> list[tuple[str, str, str]]:
    return [(report.kind, report.status, report.recipient) for report in read(message)]


def test_a_report_names_the_recipient_the_cause_and_our_message() -> None:
    message = dsn(failed("ann@example.net", "5.1.1", "550 5.1.1 <ann@example.net>: User unknown"))
    assert read(message) == [
        Report(
            ReportKind.HARD,
            "5.1.1",
            "ann@example.net",
            "550 5.1.1 <ann@example.net>: User unknown",
            return_path="bounces+t0ken@digest.example.org",
            message_id="<issue-1@digest.example.org>",
            token="bounces+t0ken@digest.example.org",
            reporter="mx.example.net",
            at=datetime(2026, 11, 26, 6, 1, 2, tzinfo=UTC),
        )
    ]


def test_each_recipient_has_its_own_kind() -> None:
    message = dsn(
        failed("ann@example.net", "5.1.1", "550 5.1.1 User unknown"),
        failed("bob@example.net", "5.2.2", "552 5.2.2 Mailbox full"),
        failed("cy@example.net", "4.4.1", "connect to example.net: Connection timed out", action="delayed"),
        failed("di@example.net", "2.0.0", "250 2.0.0 Ok", action="relayed"),
        failed("di@example.net", "2.0.0", "250 2.0.0 Ok", action="expanded"),
    )
    assert kinds(message) == [
        ("hard", "5.1.1", "ann@example.net"),
        ("soft", "5.2.2", "bob@example.net"),
        ("soft", "4.4.1", "cy@example.net"),
        ("none", "2.0.0", "di@example.net"),
    ]


@pytest.mark.parametrize(
    ("status", "diagnostic", "kind"),
    [
        ("5.0.0", "550 5.1.1 no such user", "hard"),
        ("5.1.2", "550 5.1.2 Host unknown", "hard"),
        ("5.4.4", "Host or domain name not found. Name service error for name=example.net", "hard"),
        ("5.1.10", "556 5.1.10 Domain does not accept mail (nullMX)", "hard"),
        ("5.1.6", "551 5.1.6 User has moved", "hard"),
        ("5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)", "hard"),
        ("5.0.0", "550 <ann@example.net>: User unknown (in reply to RCPT TO command)", "hard"),
        ("5.0.0", "550 <ann@example.net>: User unknown (in reply to end of DATA command)", "soft"),
        ("5.1.1", "550 5.1.1 mailbox is full: over quota", "soft"),
        ("5.1.1", "550 5.1.1 blocked: your IP is listed by a blocklist", "soft"),
        ("5.2.1", "550 5.2.1 The email account that you tried to reach is disabled", "soft"),
        ("5.1.0", "553 5.1.0 sender rejected (in reply to MAIL FROM command)", "soft"),
        ("5.7.1", "550 5.7.1 Message rejected as spam", "soft"),
        ("5.7.26", "550 5.7.26 Unauthenticated email is not accepted due to the domain's DMARC policy", "soft"),
        ("4.1.1", "450 4.1.1 User unknown (in reply to RCPT TO command)", "soft"),
        ("5.4.7", "Delivery expired (message too old)", "soft"),
        ("5.3.4", "552 5.3.4 message size exceeds fixed limit", "soft"),
        ("5.0.0", "something in no language that we know", "soft"),
    ],
)
def test_only_faults_of_the_address_itself_are_hard(status: str, diagnostic: str, kind: str) -> None:
    assert kinds(dsn(failed("ann@example.net", status, diagnostic)))[0][0] == kind


def test_the_original_recipient_is_reported_instead_of_the_forwarding_target() -> None:
    fields = "Original-Recipient: rfc822;ann@example.net\n" + failed("ann@elsewhere.example", "5.1.1", "550 5.1.1 no")
    assert kinds(dsn(fields)) == [("hard", "5.1.1", "ann@example.net")]


def test_the_refused_command_is_found_in_the_transcript() -> None:
    transcript = "<ann@example.net>\n>>> RCPT To:<ann@example.net>\n<<< 550 unknown user"
    fields = failed("ann@example.net", "5.0.0", "550 unknown user")
    assert kinds(dsn(fields, notice=transcript))[0][0] == "hard"
    assert kinds(dsn(fields, notice=transcript.replace("RCPT To:<ann@example.net>", "DATA")))[0][0] == "soft"


def test_a_report_quoted_by_a_report_is_ignored() -> None:
    inner = (
        dsn(failed("other@example.net", "5.1.1", "550 5.1.1 User unknown"))
        .decode()
        .replace('"b"', '"c"')
        .replace("--b", "--c")
    )
    outer = dsn(failed("ann@example.net", "5.2.2", "552 5.2.2 Mailbox full"), quoted=inner)
    assert kinds(outer) == [("soft", "5.2.2", "ann@example.net")]


def test_fields_in_a_part_of_the_wrong_type_are_read() -> None:
    message = dsn(failed("ann@example.net", "5.1.1", "550 5.1.1 User unknown"))
    assert kinds(message.replace(b"message/delivery-status", b"text/plain")) == [("hard", "5.1.1", "ann@example.net")]


def test_the_envelope_recipient_takes_precedence_over_the_headers() -> None:
    message = dsn(failed("ann@example.net", "5.1.1", "550 5.1.1 User unknown"))
    assert read(message, return_path="b+other@digest.example.org")[0].return_path == "b+other@digest.example.org"
