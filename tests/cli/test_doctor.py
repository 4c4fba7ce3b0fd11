"""digest doctor: what works, and what is missing for real email."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import insert

from digest.database.engine import transaction
from digest.database.tables import sent_days
from digest.ledger import events
from digest.mail.pauses import EVERYTHING, Pause, set_pause
from digest.settings import settings
from digest.subscribers import admission
from tests.support.dns_server import DnsServer
from tests.support.scenario import MORNING

pytestmark = pytest.mark.both_databases


@pytest.fixture
def findings(run, monkeypatch):
    """The doctor's findings with these settings, by name."""

    def findings(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"DIGEST_{name.upper()}", str(value))
        settings.cache_clear()
        return {one["what"]: one for one in json.loads(run("doctor", "--json").stdout)}

    return findings


def change(engine, statement):
    with transaction(engine) as connection:
        connection.execute(statement)


def test_doctor_says_what_is_missing_for_real_mail(run):
    done = run("doctor", "--json")
    found = {one["what"]: one for one in json.loads(done.stdout)}
    assert done.exit_code == 3
    assert {name for name, one in found.items() if one["blocks"]} == {"public address", "sender", "mail server"}
    assert found["database"]["well"]
    assert all(one["advice"] for one in found.values() if one["blocks"])


def test_doctor_finds_nothing_if_everything_for_email_is_there(run, smtp_server, redis_url, monkeypatch):
    with DnsServer() as dns:  # nothing is published yet, which does not prevent email
        assert_content(run, smtp_server, redis_url, monkeypatch, dns.address)


def assert_content(run, smtp_server, redis_url, monkeypatch, dns_server):
    for name, value in {
        "SMTP_URL": smtp_server.url,
        "REDIS_URL": redis_url,
        "PUBLIC_URL": "https://papers.example.org",
        "MAIL_FROM": "Papers <papers@example.org>",
        "POSTAL_ADDRESS": "1 Lab Street",
        "DNS_SERVER": dns_server,
    }.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    settings.cache_clear()
    done = run("doctor", "--json")
    assert done.exit_code == 0, done.stdout
    smtp_server.stop()
    assert run("doctor").exit_code == 3
    smtp_server.start()


def test_a_database_that_others_can_read_is_noted(findings, sqlite_url):
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    file.chmod(0o644)
    database = findings(database_url=sqlite_url)["database"]
    assert (database["well"], database["blocks"], database["advice"]) == (False, False, f"Run: chmod 600 {file}")
    file.chmod(0o600)
    assert findings()["database"]["well"]


def test_files_that_others_can_read_are_noted(findings, tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.chmod(0o755)
    (data / "secret_key").chmod(0o600)
    (data / "demo" / "logs").mkdir(parents=True)
    log = data / "demo" / "logs" / "web.log"
    log.touch(0o600)
    assert findings()["data folder"]["well"]
    log.chmod(0o644)
    noted = findings()["data folder"]
    assert (noted["well"], noted["advice"]) == (False, f"Run: chmod -R go= {data}")
    assert str(log) in noted["said"]
    data.chmod(0o700)
    assert findings()["data folder"]["well"], "nobody else reaches what is in it"
    (tmp_path / ".env").write_text("DIGEST_TITLE=Papers\n")
    (tmp_path / ".env").chmod(0o644)
    assert findings()["settings file"]["advice"] == "Run: chmod o= .env"
    (tmp_path / ".env").chmod(0o640)
    assert findings()["settings file"]["well"]


# --- what decides whether mail goes out ---


def test_it_shows_what_is_paused_why_and_how_to_go_on(run, findings, engine):
    assert findings()["sending"]["well"]
    until = datetime(2099, 1, 1, 6, 30, tzinfo=UTC)
    with transaction(engine) as connection:
        set_pause(connection, Pause(EVERYTHING, MORNING, until, "550 5.7.1 rejected by policy"))
    found = findings()
    said = "paused since 2026-03-04 06:00 UTC, next attempt at 2099-01-01 06:30 UTC: 550 5.7.1 rejected by policy"
    assert (found["sending"]["said"], found["sending"]["blocks"]) == (said, True)
    assert "digest resume --sending" in found["sending"]["advice"]


def write_key(folder, key):
    file = folder / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o600)
    return file


def test_it_shows_the_kind_and_size_of_a_key(findings, tmp_path):
    file = write_key(tmp_path, generate_private_key(65537, 2048))
    found = findings(dkim_keys=f"nov26={file}")["DKIM key nov26"]
    assert (found["well"], found["said"], found["advice"]) == (True, f"RSA, 2048 bits, {file}", "")
    write_key(tmp_path, Ed25519PrivateKey.generate())
    assert "Ed25519" in findings()["DKIM key nov26"]["said"]


def test_a_key_that_others_can_read_is_noted(findings, tmp_path):
    file = write_key(tmp_path, Ed25519PrivateKey.generate())
    file.chmod(0o644)
    found = findings(dkim_keys=f"nov26={file}")["DKIM key nov26"]
    assert (found["well"], found["blocks"], found["advice"]) == (False, False, f"Run: chmod 600 {file}")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"no key", "no private key in PEM"), ("short", "1024 bits is too short")],
)
def test_a_key_that_cannot_sign_blocks(findings, tmp_path, content, said):
    file = tmp_path / "key.pem"
    if content == "short":
        write_key(tmp_path, generate_private_key(65537, 1024))
    elif content is not None:
        file.write_bytes(content)
    found = findings(dkim_keys=f"nov26={file}")["DKIM key nov26"]
    assert (found["blocks"], said in found["said"]) == (True, True)


def test_without_keys_it_says_who_signs(findings):
    assert findings()["DKIM"]["said"] == "messages are not signed here; the mail server has to sign them"


def test_it_tells_the_day_of_the_warm_up_and_what_is_left_of_it(findings, engine):
    today = datetime.now(UTC).date()
    assert "warm-up" not in findings()
    assert findings(warm_up_from=date(2099, 1, 1))["warm-up"]["said"] == "begins on 2099-01-01"
    found = findings(warm_up_from=today - timedelta(days=2), warm_up_first_day=90)["warm-up"]
    assert (found["well"], found["said"]) == (True, "day 3: 0 of 160 messages sent")
    change(engine, insert(sent_days).values(day=today, mails=160))
    found = findings()["warm-up"]
    assert (found["well"], found["said"]) == (False, "day 3: 160 of 160 messages sent")
    assert "tomorrow" in found["advice"]


def test_it_tells_what_becomes_of_mails_in_doubt(findings):
    assert findings()["uncertain deliveries"]["said"].startswith("sent again as the same bytes")
    assert findings(in_doubt="hold")["uncertain deliveries"]["said"].startswith("held")


def test_workers_without_a_place_for_their_journal_are_told_of(findings, tmp_path):
    assert "workers' journal" not in findings()
    blocked = tmp_path / "file"
    blocked.write_text("")
    found = findings(data_dir=blocked, postfix_log="")["workers' journal"]
    assert (found["blocks"], "DIGEST_DATA_DIR" in found["advice"]) == (True, True)


def test_without_a_database_it_still_tells_the_rest(run, findings, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgresql://127.0.0.1:9/digest")
    found = findings()
    assert found["database"]["blocks"]
    assert "DKIM" in found
    assert "sending" not in found


def test_a_secret_that_nobody_has_made_is_not_called_generated(findings, tmp_path):
    assert findings(secret_key="", data_dir=tmp_path / "new")["secret key"]["said"] == "not set"


def test_it_shows_that_sign_ups_were_refused_and_what_may_be_the_cause(findings, engine):
    def refused(at):
        with transaction(engine) as connection:
            events.record(connection, at, admission.EVENTS, admission.REFUSED, {"limit": admission.LimitScope.CLIENT})

    refused(datetime.now(UTC) - timedelta(days=2))
    assert findings()["sign-ups"]["well"]
    refused(datetime.now(UTC) - timedelta(hours=3))
    finding = findings()["sign-ups"]
    assert (finding["well"], finding["blocks"]) == (False, False)
    assert "refused beyond the limits (client)" in finding["said"]
    assert "DIGEST_FORWARDED_ALLOW_IPS" in finding["advice"]
