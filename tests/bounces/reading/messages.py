"""Reports in the formats of mail servers."""


def dsn(*recipients: str, notice: str = "Your message could not be delivered.", quoted: str = "") -> bytes:
    """A delivery status notification; each recipient is a text of fields."""
    fields = "\n\n".join(recipients)
    return f"""\
Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: bounces+t0ken@digest.example.org
Subject: Undelivered Mail Returned to Sender
Date: Thu, 26 Nov 2026 06:01:02 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain; charset=us-ascii

{notice}

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

{fields}

--b
Content-Type: message/rfc822

Return-Path: <bounces+t0ken@digest.example.org>
Message-ID: <issue-1@digest.example.org>
From: Daily Papers <papers@digest.example.org>
To: ann@example.net
Subject: Papers
{quoted}
Ten papers.

--b--
""".encode()


def failed(recipient: str, status: str, diagnostic: str, action: str = "failed") -> str:
    return (
        f"Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {diagnostic}"
    )


def notice(text: str, sender: str = "MAILER-DAEMON@mx.example.net", subject: str = "failure notice") -> bytes:
    """A notice in prose."""
    return f"From: {sender}\nTo: bounces@digest.example.org\nSubject: {subject}\n\n{text}\n".encode()


def complaint(feedback: str, quoted: str = "To: ann@example.net\n") -> bytes:
    """A report in the Abuse Reporting Format."""
    return f"""\
From: feedback@example.net
To: fbl@digest.example.org
Subject: FW: Papers
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an email abuse report.

--b
Content-Type: message/feedback-report

{feedback}
--b
Content-Type: message/rfc822

Return-Path: <bounces+t0ken@digest.example.org>
Message-ID: <issue-1@digest.example.org>
From: papers@digest.example.org
{quoted}
Ten papers.

--b--
""".encode()
