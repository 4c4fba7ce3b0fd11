"""digest send-test-alarm: whether an alarm would reach the operator."""

import json
import sys

from digest.settings import settings
from tests.support.scenario import ON_SQLITE
from tests.support.smtp_server import Step


@ON_SQLITE
def test_each_channel_says_whether_it_took_the_test(run, monkeypatch, smtp_server):
    assert "DIGEST_ALARM_TO" in str(run("send-test-alarm").exception)
    monkeypatch.setenv("DIGEST_ALARM_TO", "ops@example.org")
    monkeypatch.setenv("DIGEST_ALARM_SMTP_URL", smtp_server.url)
    monkeypatch.setenv("DIGEST_ALARM_COMMAND", f"{sys.executable} -c pass")
    settings.cache_clear()
    assert run("send-test-alarm", "--dry-run").stderr == "Would send a test alarm by email and command.\n"
    assert smtp_server.taken == []
    assert (done := run("send-test-alarm")).exit_code == 0, done.stderr
    assert done.stdout == "email: sent\ncommand: sent\n"
    assert b"this is a test; nothing is wrong" in smtp_server.taken[0].content
    smtp_server.always(Step.RCPT, "550 5.1.1 no such user")
    refused = run("send-test-alarm", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)) == (1, {"email": "550 5.1.1 no such user", "command": ""})
