"""A healthy installation on this machine, with real parts, for injecting faults."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Engine

from digest.database.engine import connect
from digest.mail.compose.dkim import dns_record, load_signer
from digest.monitoring.doctor.examine import examine
from digest.monitoring.doctor.finding import Finding
from digest.monitoring.heartbeats import ProcessName, Role, beat
from digest.settings import Settings, SettingsError, settings
from tests.support.certificates import Identity, authority, served, signed
from tests.support.dns_server import DnsServer, txt
from tests.support.scenario import add_subscriber
from tests.support.smtp_server import SmtpServer

DOMAIN, ADDRESS = "papers.example.org", "203.0.113.25"


def pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Installation:
    """The parts of an installation; a fault changes one of them."""

    folder: Path
    engine: Engine
    smtp: SmtpServer
    dns: DnsServer
    web: ThreadingHTTPServer
    ours: Identity  # the authority that signed the mail server's certificate
    keys: dict[str, bytes]
    environment: dict[str, str] = field(default_factory=dict)

    def set(self, **values: object) -> None:
        self.environment |= {f"DIGEST_{name.upper()}": str(value) for name, value in values.items()}

    def settings(self, **values: object) -> Settings:
        """Return the settings of the environment with these changes. Raises SettingsError."""
        self.set(**values)
        os.environ.update(self.environment)  # restored by the fixture
        settings.cache_clear()
        return settings()

    def examine(self, seconds: float = 14) -> list[Finding] | str:
        """Return the findings, or the line that stops every command."""
        try:
            return examine(self.settings(), seconds)
        except SettingsError as problem:
            return str(problem)

    def serve_mail(self, **options: object) -> None:
        """Replace the mail server."""
        self.smtp.end()
        self.smtp = SmtpServer(auth=True, **options)  # type: ignore[arg-type]
        self.smtp.start()
        self.set(smtp_url=f"smtp+starttls://user:secret@127.0.0.1:{self.smtp.port}")


@pytest.fixture(scope="session")
def keys() -> dict[str, bytes]:
    """DKIM keys in PEM, made once for all tests."""
    return {
        "ours": pem(generate_private_key(65537, 2048)),
        "other": pem(generate_private_key(65537, 2048)),
        "ed25519": pem(Ed25519PrivateKey.generate()),
    }


@pytest.fixture(scope="session")
def our_authority() -> Identity:
    return authority()


@pytest.fixture
def web() -> Iterator[ThreadingHTTPServer]:
    """A web server whose replies have a Date, which a test can shift by `server.skew` seconds."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + server.skew)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.skew = 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def installation(tmp_path, monkeypatch, sqlite_url, redis_url, web, keys, our_authority) -> Iterator[Installation]:
    """A healthy installation: it runs, and its domain has every record."""
    engine = connect(sqlite_url)
    add_subscriber(engine, "ada@example.org")
    for number, role in enumerate((Role.WORKER, Role.SCHEDULER, Role.WEB)):
        beat(engine, ProcessName(role, "here", number), {}, is_first=True)
    key = tmp_path / "nov26.pem"
    key.write_bytes(keys["ours"])
    key.chmod(0o600)
    records = {
        (DOMAIN, "TXT"): [txt("v=spf1 include:_spf.example.net ~all"), txt("other=1")],
        ("_spf.example.net", "TXT"): [txt("v=spf1 ip4:203.0.113.0/24 -all")],
        (f"nov26._domainkey.{DOMAIN}", "TXT"): [txt(dns_record(load_signer("nov26", keys["ours"])))],
        ("_dmarc.example.org", "TXT"): [txt("v=DMARC1; p=none")],
        (DOMAIN, "MX"): ["10 mx.example.org."],
        ("mx.example.org", "A"): ["203.0.113.26"],
        ("25.113.0.203.in-addr.arpa", "PTR"): ["mail.example.org."],
        ("mail.example.org", "A"): [ADDRESS],
    }
    (tmp_path / "data").chmod(0o700)
    our_authority.save(tmp_path / "authority.pem")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr("socket.gethostname", lambda: "mailbox")
    with DnsServer(records) as dns:
        smtp = SmtpServer(auth=True, starttls=served(signed(our_authority), tmp_path))
        smtp.start()
        made = Installation(tmp_path, engine, smtp, dns, web, our_authority, keys)
        made.set(
            database_url=sqlite_url,
            redis_url=redis_url,
            smtp_url=f"smtp+starttls://user:secret@127.0.0.1:{smtp.port}",
            smtp_ca_file=tmp_path / "authority.pem",
            smtp_ehlo_name="mail.example.org",
            public_url="https://papers.example.org",
            mail_from=f"Papers <digest@{DOMAIN}>",
            postal_address="1 Lab Street, Ghent",
            secret_key="k" * 40,
            dkim_keys=f"nov26={key}",
            sending_addresses=ADDRESS,
            dns_server=dns.address,
            sources="huggingface",
            huggingface_url=f"http://127.0.0.1:{web.server_port}",
        )
        yield made
        made.smtp.end()
    engine.dispose()
