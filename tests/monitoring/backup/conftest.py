"""An installation with workers, backed up by command and restored into another database."""

import json
import os
import uuid
from collections import Counter
from contextlib import ExitStack, closing

import pytest

from digest.database.engine import connect, keep_log
from digest.mail.delivery.outcome import is_about_sender
from digest.settings import settings
from digest.settings.composing import replay_log
from digest.smtp import Relay, Security, Sender
from tests.mail.delivery.builders import QUICK, SEVEN
from tests.support import servers
from tests.support.scenario import SECRET, add_papers, add_subscriber
from tests.support.workers import postman


class Installation:
    """One database after another: `restore` moves to the next."""

    def __init__(self, url, new_url, command, server, folder, clock):
        self.url, self._new_url, self._command = url, new_url, command
        self._clock, self._folder = clock, folder
        self.server, self.file = server, folder / "backup"
        self.sender = Sender(
            [Relay("127.0.0.1", server.port, Security.NONE)], 3, timeouts=QUICK, is_about_sender=is_about_sender
        )
        self.move_to(SEVEN)
        self.open(url)

    def open(self, url):
        self.url = url
        settings.cache_clear()
        self.engine = keep_log(connect(url), replay_log(settings()))

    def move_to(self, instant):
        self.at = instant
        self._clock.move_to(instant)

    def run(self, *arguments, code=0):
        result = self._command(*arguments, "--json", DIGEST_DATABASE_URL=self.url)
        assert result.returncode == code, result.stderr
        return json.loads(result.stdout) if not code else result.stderr

    def backup(self):
        return self.run("backup", str(self.file))

    def restore(self, *options, code=0):
        """Restore into an empty database, as on another machine."""
        self.engine.dispose()
        self.open(self._new_url())
        self.engine.dispose()
        return self.run("restore", str(self.file), *options, code=code)

    def deliver(self, limit=10_000):
        with closing(
            postman(self.engine, self.sender, self._folder / "journal", lambda: self.at, uuid.uuid4().hex)
        ) as worker:
            worker.deliver_due(limit)

    @property
    def mailed(self):
        return Counter(message.rcpt_tos[0] for message in self.server.taken)


@pytest.fixture
def installation(request, database_url, command, smtp_server, tmp_path, clock, monkeypatch):
    monkeypatch.setenv("DIGEST_SECRET_KEY", SECRET.decode())
    monkeypatch.setenv("DIGEST_OPERATOR", "ada")
    if database_url.startswith("sqlite"):
        made = Installation(
            database_url,
            lambda: f"sqlite:///{tmp_path}/elsewhere/{uuid.uuid4().hex}.sqlite",
            command,
            smtp_server,
            tmp_path,
            clock,
        )
        yield made
    else:
        postgres = request.getfixturevalue("postgres")
        monkeypatch.setenv("PATH", f"{servers.postgres_binaries()}{os.pathsep}{os.environ['PATH']}")
        with ExitStack() as databases:
            made = Installation(
                database_url,
                lambda: databases.enter_context(postgres.database(f"test_{uuid.uuid4().hex[:12]}")),
                command,
                smtp_server,
                tmp_path,
                clock,
            )
            yield made
            made.engine.dispose()
    made.engine.dispose()
    made.sender.close()


@pytest.fixture
def people(installation):
    """Forty subscribers, and papers for an issue."""
    add_papers(installation.engine, range(12))
    return {
        f"reader{number}@example.com": add_subscriber(installation.engine, f"reader{number}@example.com")
        for number in range(40)
    }
