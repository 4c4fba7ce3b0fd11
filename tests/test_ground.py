"""The test servers do what other tests rely on."""

import asyncio
import os
import signal
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine, text

from digest.run import processes
from tests.support.smtp_server import HANG_UP, KEEP_AND_HANG_UP, SmtpServer, Step

MESSAGE = b"Subject: ten papers\r\n\r\n.one line that starts with a dot\r\n"
ADA, BOB = "ada@example.org", "bob@example.org"


@pytest.fixture
def client(smtp_server: SmtpServer):
    with smtplib.SMTP(processes.LOOPBACK, smtp_server.port) as client:
        yield client


def test_each_test_gets_an_empty_migrated_database(engine: Engine) -> None:
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM papers")).scalar() == 0
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@pytest.mark.parametrize("turn", [1, 2])
def test_the_broker_is_empty_at_the_start_of_each_test(redis_url: str, turn: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", turn)


def test_the_mail_server_keeps_the_bytes_that_it_accepted(smtp_server: SmtpServer, client: smtplib.SMTP) -> None:
    client.sendmail("papers@example.org", [ADA], MESSAGE)
    (taken,) = smtp_server.taken_for(ADA)
    assert (taken.mail_from, taken.rcpt_tos, taken.content) == ("papers@example.org", (ADA,), MESSAGE)


def test_the_mail_server_defers_one_recipient_once(smtp_server: SmtpServer, client: smtplib.SMTP) -> None:
    smtp_server.answer(Step.RCPT, "451 4.7.1 greylisted", to=ADA)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail("papers@example.org", [ADA], MESSAGE)
    client.sendmail("papers@example.org", [BOB], MESSAGE)
    client.sendmail("papers@example.org", [ADA], MESSAGE)
    assert [taken.rcpt_tos for taken in smtp_server.taken] == [(BOB,), (ADA,)]


@pytest.mark.parametrize("phase", [Step.MAIL, Step.RCPT, Step.DATA, Step.END])
def test_the_mail_server_hangs_up_at_any_phase(smtp_server: SmtpServer, phase: Step) -> None:
    smtp_server.answer(phase, HANG_UP)
    client = smtplib.SMTP(processes.LOOPBACK, smtp_server.port)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.sendmail("papers@example.org", [ADA], MESSAGE)
    assert smtp_server.taken == []
    client.close()


def test_the_mail_server_takes_a_message_and_hangs_up_before_it_answers(smtp_server: SmtpServer) -> None:
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    client = smtplib.SMTP(processes.LOOPBACK, smtp_server.port)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.sendmail("papers@example.org", [ADA], MESSAGE)
    assert len(smtp_server.taken) == 1
    client.close()


def test_the_mail_server_can_be_away_for_a_while(smtp_server: SmtpServer) -> None:
    smtp_server.stop()
    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP(processes.LOOPBACK, smtp_server.port)
    smtp_server.start()
    with smtplib.SMTP(processes.LOOPBACK, smtp_server.port) as client:
        assert client.noop()[0] == 250


def test_the_network_ends_at_this_machine() -> None:
    with socket.socket() as outward, pytest.raises(PermissionError, match=r"192\.0\.2\.1"):
        outward.connect(("192.0.2.1", 80))

    async def outward_too() -> None:
        await asyncio.open_connection("192.0.2.1", 80)

    with pytest.raises(PermissionError):
        asyncio.run(outward_too())


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_a_program_does_not_outlive_the_one_that_started_it() -> None:
    start_child = "processes.start([sys.executable, '-c', 'import time; time.sleep(60)'])"
    code = f"import sys; from digest.run import processes; print({start_child}.pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    assert processes.wait_until(lambda: not _runs(child), seconds=5)


@pytest.mark.processes
def test_a_program_that_ignores_the_request_to_stop_is_killed() -> None:
    ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code = f"{ignoring}; print('ready', flush=True); time.sleep(60)"
    deaf = processes.start([sys.executable, "-c", code], output=subprocess.PIPE)
    assert deaf.stdout
    assert deaf.stdout.readline() == b"ready\n"
    assert processes.stop(deaf, patience=0.2) == -signal.SIGKILL
    deaf.stdout.close()


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_nothing_of_the_outer_environment_is_seen() -> None:
    assert [name for name in os.environ if name.startswith("DIGEST_")] == ["DIGEST_DATA_DIR"]


def test_ci_refuses_arguments_instead_of_testing_something_else() -> None:
    run = Path(__file__).parents[1] / ".ci" / "run"
    refusal = subprocess.run([run, "--fast"], capture_output=True, text=True, timeout=10, check=False)
    assert (refusal.returncode, refusal.stdout) == (2, "")
    assert "takes no arguments" in refusal.stderr
