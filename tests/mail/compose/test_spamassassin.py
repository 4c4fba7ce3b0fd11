"""No kind of email gets a point from SpamAssassin's local rules."""

import re
import shutil
import subprocess

import pytest

from tests.mail.builders import LANGUAGES, every_message

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("spamassassin") is None, reason="SpamAssassin is not installed"),
]


def test_no_email_gets_a_point() -> None:
    messages = [message for code in LANGUAGES.codes for message in every_message(code).values()]
    mbox = b"".join(
        b"From a@example.org Mon Nov 23 07:00:00 2026\n" + m.replace(b"\r\n", b"\n") + b"\n" for m in messages
    )
    judged = subprocess.run(["spamassassin", "-L", "-t", "--mbox"], input=mbox, capture_output=True, check=False).stdout
    points = re.findall(rb"Content analysis details: +\((-?[\d.]+) points", judged)
    assert len(points) == len(messages)
    assert [float(each) for each in points if float(each) > 0] == []
