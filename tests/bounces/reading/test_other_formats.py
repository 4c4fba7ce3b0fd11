"""Complaints, notices in prose, providers' payloads, and messages that are not reports."""

import json

import pytest

from digest.bounces.reading import read
from tests.bounces.reading.messages import complaint, notice

EXIM = """\
This message was created automatically. The following address failed:

  ann@example.net
    SMTP error from remote mail server after RCPT TO:<ann@example.net>:
    host mx.example.net [192.0.2.1]: 550 unknown user

------ This is a copy of the message, including all the headers. ------
To: bob@example.net
"""
QMAIL = """\
Hi. This is the qmail-send program at example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.

<ann@example.net>:
Sorry, no mailbox here by that name. (#5.1.1)

<bob@example.net>:
The user's mailfolder is full.

--- Below this line is a copy of the message.

Return-Path: <papers@digest.example.org>
To: cy@example.net
"""
SENDMAIL = """\
   ----- The following addresses had permanent fatal errors -----
ann@forwarded.example
    (expanded from: <ann@example.net>)

   ----- Transcript of session follows -----
>>> RCPT To:<ann@forwarded.example>
<<< 550 User unknown
"""
DELAYED = """\
Delivery to the following recipient has been delayed:

     ann@example.net

Message will be retried for 2 more day(s)
"""


def kinds(message: bytes) -> list[tuple[str, str | None, str | None]]:
    return [(report.kind, report.status, report.recipient) for report in read(message)]


def test_a_complaint_names_the_recipient_and_our_envelope_sender() -> None:
    reports = read(complaint("Feedback-Type: abuse\nUser-Agent: FBL/1\nOriginal-Rcpt-To: <ann@example.net>\n"))
    assert [(report.kind, report.recipient, report.token, report.reporter) for report in reports] == [
        ("complaint", "ann@example.net", "bounces+t0ken@digest.example.org", "FBL/1")
    ]


def test_a_complaint_without_a_recipient_is_about_the_recipient_of_the_message() -> None:
    assert kinds(complaint("Feedback-Type: abuse\n")) == [("complaint", None, "ann@example.net")]


@pytest.mark.parametrize("kind", ["auth-failure", "not-spam"])
def test_a_report_on_authentication_or_wanted_email_is_not_a_complaint(kind: str) -> None:
    assert kinds(complaint(f"Feedback-Type: {kind}\nOriginal-Rcpt-To: ann@example.net\n"))[0][0] == "none"


def test_the_junk_reports_of_outlook_com_are_complaints() -> None:
    message = (
        b"From: staff@hotmail.com\nTo: fbl@digest.example.org\nSubject: complaint about message from 192.0.2.1\n"
        b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: message/rfc822\n\n'
        b"X-HmXmrOriginalRecipient: ann@example.net\nFrom: papers@digest.example.org\n\nTen.\n\n--b--\n"
    )
    assert kinds(message) == [("complaint", None, "ann@example.net")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (EXIM, [("hard", None, "ann@example.net")]),
        (QMAIL, [("hard", "5.1.1", "ann@example.net"), ("soft", None, "bob@example.net")]),
        (SENDMAIL, [("hard", None, "ann@example.net")]),
        (DELAYED, [("soft", None, "ann@example.net")]),
        ("ann@example.net\n\nCette adresse n'existe pas.\n", [("hard", None, "ann@example.net")]),
    ],
)
def test_a_notice_in_prose_names_the_recipient_that_was_not_reached(
    text: str, expected: list[tuple[str, str, str]]
) -> None:
    assert kinds(notice(text)) == expected


def test_addresses_in_the_quoted_message_are_ignored() -> None:
    text = "ann@example.net: 550 5.1.1 user unknown\n\n--- Original message follows ---\nTo: bob@example.net\n\n<cy@x>:"
    assert kinds(notice(text)) == [("hard", "5.1.1", "ann@example.net")]


@pytest.mark.parametrize(
    ("sender", "subject", "extra"),
    [
        ("ann@example.net", "Re: Papers", ""),
        ("ann@example.net", "Out of office: Papers", "Auto-Submitted: auto-replied\n"),
        ("ann@example.net", "Automatic reply: mail delivery", "X-Autoreply: yes\n"),
        ("postmaster@example.net", "Auto-Reply: I am away", ""),
        ("verify@example.net", "Please confirm that you are a person", ""),
    ],
)
def test_a_reply_a_vacation_notice_and_a_challenge_are_not_reports(sender: str, subject: str, extra: str) -> None:
    text = "I am away. Write to bob@example.net instead: my old mailbox is full.\n"
    assert kinds(extra.encode() + notice(text, sender, subject)) == [("none", None, None)]


def test_a_notification_of_amazon_ses_inside_a_message_is_read() -> None:
    bounced = {"emailAddress": "ann@example.net", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}
    payload = {
        "notificationType": "Bounce",
        "bounce": {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [bounced]},
        "mail": {"source": "bounces+t0ken@digest.example.org", "headers": []},
    }
    message = notice(json.dumps(payload) + "\n\n--\nTo stop these, visit …", "no-reply@sns.amazonaws.com", "AWS")
    assert kinds(message) == [("hard", "5.1.1", "ann@example.net")]
    assert read(message)[0].token == "bounces+t0ken@digest.example.org"
