"""The first run: servers, papers, today's issue, three subscribers, and their messages in a local inbox."""

import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from digest.demo.subscribers import SUBSCRIBERS, sign_up, wait_for_message
from digest.ledger.kinds import Kind
from digest.run import processes
from digest.run.parts import alone_in, child_environment, start_broker, start_digest, wait_for_port
from digest.run.supervisor import Supervisor, say
from digest.settings import Settings


@dataclass(frozen=True, slots=True)
class Result:
    """Printed by `--once`; the keys are compared across versions."""

    accepted: int  # digests accepted, without confirmations
    inbox: int  # digests in the mail server's inbox
    seconds: float
    papers: int  # in the issue
    source: str  # live or bundled


def demo(settings: Settings, once: bool) -> int:
    """Start everything afresh in `<data folder>/demo` until three subscribers have their first digest. The exit code.

    Uses its own database, broker, mail server and addresses instead of those in `settings`.
    """
    from digest.database.migrate import migrate

    began = time.monotonic()
    folder = settings.data_dir.absolute() / "demo"
    with alone_in(settings.data_dir), Supervisor(_emptied(folder)) as programs:
        overrides = _start_broker_and_mail(programs, folder, settings)
        own = Settings(**overrides)  # type: ignore[arg-type]
        own.create_secret()
        migrate(own.database)
        environment = child_environment(overrides)
        for part in ("worker", "web"):
            start_digest(programs, part, environment)

        # This import takes a second, during which the programs start.
        from digest import wiring
        from digest.demo import steps

        inbox = folder / "inbox"
        engine = wiring.engine(own)
        source, issue = steps.publish_today(engine, own)
        wait_for_port(programs, own.web_port)
        sign_up(programs, own.public_url, inbox)
        # Started earlier, it might cut an issue without papers.
        start_digest(programs, "scheduler", environment)
        for subscriber in SUBSCRIBERS:
            wait_for_message(programs, inbox, subscriber, Kind.DIGEST)
        accepted, stored = steps.count_digests(engine, inbox, len(SUBSCRIBERS))
        result = Result(accepted, stored, round(time.monotonic() - began, 1), issue.papers, source)
        if once:
            sys.stdout.write(json.dumps(asdict(result)) + "\n")
            return _exit_code(result)
        _say_where(own, f"{issue.date}", folder, "Sample issue" if source == "bundled" else "Today's issue")
        while True:
            programs.check()
            time.sleep(0.5)


def _emptied(folder: Path) -> Path:
    """Empty `folder`; returns a new folder for logs in it."""
    shutil.rmtree(folder, ignore_errors=True)
    logs = folder / "logs"
    logs.mkdir(parents=True)
    return logs


def _start_broker_and_mail(programs: Supervisor, folder: Path, settings: Settings) -> Mapping[str, object]:
    """Start both. Returns the settings that point to them and to the demo's database, by field name."""
    mail_port = processes.free_port()
    web_port = settings.web_port if processes.is_free(settings.web_port) else processes.free_port()
    broker, inbox = start_broker(programs, folder), folder / "inbox"
    overrides: dict[str, object] = {
        "data_dir": folder,
        "database_url": f"sqlite:///{folder / 'digest.sqlite'}",
        "redis_url": broker,
        "smtp_url": f"smtp://{processes.LOOPBACK}:{mail_port}",
        "public_url": f"http://{processes.LOOPBACK}:{web_port}",
        "web_host": processes.LOOPBACK,
        "web_port": web_port,
        "inbox_dir": inbox,
        "secret_key": "",
        "requested_per_hour": 10_000,  # everyone signs up from this machine
    }
    module = [sys.executable, "-P", "-m", "digest.run.mailserver"]
    command = [*module, "--port", str(mail_port), "--dir", str(inbox)]
    programs.start("mail", command, child_environment(overrides), others_rely_on_it=True)
    return overrides


def _exit_code(result: Result) -> int:
    expected = len(SUBSCRIBERS)
    if result.accepted == result.inbox == expected:
        return 0
    say(f"{result.accepted} of {expected} digests were accepted, and the inbox has {result.inbox}.")
    return 1


def _say_where(own: Settings, date: str, folder: Path, issue: str) -> None:
    say("")
    for subscriber in SUBSCRIBERS:
        say(f"  {subscriber.email:22} {subscriber.summary}: the digest is in the inbox")
    say("")
    say(f"Inbox            {own.public_url}/inbox")
    say(f"Subscribe        {own.public_url}/")
    say(f"{issue:16} {own.public_url}/issues/{date}")
    say(f"Data and logs    {folder}")
    say("No email leaves this machine. Stop: Ctrl-C. For real email: digest doctor")
