"""The first run: servers, papers, today's issue, three readers, and their mails in a local inbox.

Comes in: the settings, of which database, broker, mail server and addresses are replaced by the demo's own.
Goes out: the running service, or with `once` one JSON line on stdout.
"""

import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from digest.demo.readers import READERS
from digest.run import processes
from digest.run.parts import alone_in, child_environment, start_broker, start_digest
from digest.run.supervisor import Supervisor, say
from digest.settings import Settings


@dataclass(frozen=True, slots=True)
class Result:
    """What `--once` prints (design.md, JSON compared across versions)."""

    accepted: int  # digests, not confirmations, that the mail server took, by the ledger
    inbox: int  # digests that the mail server holds
    seconds: float
    papers: int  # in the issue
    source: str  # live or bundled


def demo(settings: Settings, once: bool) -> int:
    """Start everything afresh in `<data folder>/demo` and take three readers to their first digest. The exit code."""
    began = time.monotonic()
    folder = settings.data_dir.absolute() / "demo"
    with alone_in(settings.data_dir), Supervisor(_emptied(folder)) as programs:
        overrides = _start_broker_and_mail(programs, folder, settings)
        environment = child_environment(overrides)
        for part in ("worker", "web"):
            start_digest(programs, part, environment)

        # What follows takes a second to import; the programs boot meanwhile.
        from digest.demo import steps

        own = Settings(**overrides)  # type: ignore[arg-type]
        with steps.database(own) as engine:
            source, issue = steps.publish_today(engine, own)
            steps.sign_up(programs, own)
            # Not before: on its own it might cut an issue before there are papers.
            start_digest(programs, "scheduler", environment)
            accepted, inbox = steps.wait_for_digests(programs, own, engine)
        result = Result(accepted, inbox, round(time.monotonic() - began, 1), issue.papers, source)
        if once:
            sys.stdout.write(json.dumps(asdict(result)) + "\n")
            return _verdict(result)
        _say_where(own, f"{issue.date}", folder)
        while True:
            programs.check()
            time.sleep(0.5)


def _emptied(folder: Path) -> Path:
    """A fresh folder, with one for logs in it, which is returned."""
    shutil.rmtree(folder, ignore_errors=True)
    logs = folder / "logs"
    logs.mkdir(parents=True)
    return logs


def _start_broker_and_mail(programs: Supervisor, folder: Path, settings: Settings) -> Mapping[str, object]:
    """Start both; the settings that lead to them and to the demo's own database, by field name."""
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
    }
    module = [sys.executable, "-P", "-m", "digest.run.mailserver"]
    command = [*module, "--port", str(mail_port), "--dir", str(inbox)]
    programs.start("mail", command, child_environment(overrides), others_rely_on_it=True)
    return overrides


def _verdict(result: Result) -> int:
    if result.accepted < len(READERS):
        say(f"Only {result.accepted} of {len(READERS)} digests were accepted.")
        return 1
    if result.inbox != result.accepted:
        say(f"{result.accepted} digests were accepted, but the mail server holds {result.inbox}.")
        return 1
    return 0


def _say_where(own: Settings, date: str, folder: Path) -> None:
    say("")
    for reader in READERS:
        say(f"  {reader.email:22} {reader.in_words}: the digest is in the inbox")
    say("")
    say(f"Inbox            {own.public_url}/inbox")
    say(f"Subscribe        {own.public_url}/")
    say(f"Today's issue    {own.public_url}/issues/{date}")
    say(f"Data and logs    {folder}")
    say("Nothing leaves this machine. Stop with Ctrl-C; for real mail: digest doctor")
