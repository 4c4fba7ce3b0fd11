"""Each fault of an installation is named on one line with its remedy, and a healthy installation has none."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import make_url, text, update

from digest.database.engine import transaction
from digest.database.tables import heartbeats
from digest.monitoring.backup.records import begin_backup
from digest.monitoring.doctor.domain import dns_findings
from digest.monitoring.doctor.finding import Finding
from digest.monitoring.doctor.relay import relay_settings
from digest.monitoring.heartbeats import ProcessName, Role, beat
from digest.run.processes import free_port
from tests.monitoring.doctor.conftest import ADDRESS, DOMAIN, Installation
from tests.support import servers
from tests.support.certificates import served, signed
from tests.support.dns_server import txt
from tests.support.smtp_server import Step

Plant = Callable[[Installation], None]


def records(**changes: list[str] | None) -> Plant:
    """Change DNS records: `SPF`, `DKIM`, `DMARC`, `MX` or `PTR`, or remove them."""
    names = {
        "SPF": (DOMAIN, "TXT"),
        "INCLUDED": ("_spf.example.net", "TXT"),
        "DKIM": (f"nov26._domainkey.{DOMAIN}", "TXT"),
        "DMARC": ("_dmarc.example.org", "TXT"),
        "MX": (DOMAIN, "MX"),
        "MX_ADDRESS": ("mx.example.org", "A"),
        "PTR": ("25.113.0.203.in-addr.arpa", "PTR"),
    }

    def plant(here: Installation) -> None:
        for name, values in changes.items():
            if values is None:
                del here.dns.records[names[name]]
            else:
                here.dns.records[names[name]] = values

    return plant


def setting(**values: object) -> Plant:
    return lambda here: here.set(**values)


def reply(step: Step, text_: str) -> Plant:
    return lambda here: here.smtp.always(step, text_)


def other_key(here: Installation) -> None:
    (here.folder / "nov26.pem").write_bytes(here.keys["other"])


def certificate(**options: object) -> Plant:
    def plant(here: Installation) -> None:
        here.serve_mail(starttls=served(signed(here.ours, **options), here.folder))

    return plant


def closed_port(setting: str, url: str) -> Plant:
    return lambda here: here.set(**{setting: url.format(port=free_port())})


def dead(role: Role) -> Plant:
    """A program whose last heartbeat is old, and which did not stop cleanly."""

    def plant(here: Installation) -> None:
        old = {"seen_at": datetime.now(UTC) - timedelta(minutes=10)}
        with transaction(here.engine) as connection:
            connection.execute(update(heartbeats).where(heartbeats.c.role == role).values(old))

    return plant


def skewed(here: Installation) -> None:
    here.web.skew = 600  # type: ignore[attr-defined]


def older_tables(here: Installation) -> None:
    with transaction(here.engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))


def full_disk(here: Installation) -> None:
    space = {"folder": "/var/lib/digest", "free": 0.02, "free_bytes": 10**9}
    beat(here.engine, ProcessName(Role.WORKER, "there", 1), space, is_first=True)


def no_folder(here: Installation) -> None:
    (here.folder / "file").touch()
    here.set(data_dir=here.folder / "file")


def no_maildir(here: Installation) -> None:
    (here.folder / "bounces" / "new").mkdir(parents=True)
    here.set(bounce_maildir=here.folder / "bounces")


def no_replay_folder(here: Installation) -> None:
    (here.folder / "file").touch()
    here.set(replay_dir=here.folder / "file" / "replay")


def old_backup(here: Installation) -> None:
    with transaction(here.engine) as connection:
        begin_backup(connection, datetime.now(UTC) - timedelta(days=3), ["key"], "here", datetime.now(UTC))


def open_key(here: Installation) -> None:
    (here.folder / "nov26.pem").chmod(0o644)


FAULTS: dict[str, tuple[Plant, str, str, str]] = {
    # the fault: how it is injected, then the beginning, the text and the advice of the line
    "a sender without brackets": (
        setting(mail_from="Papers digest@papers.example.org"),
        "DIGEST_MAIL_FROM", "use an address such as", "Daily Papers <papers@example.org>",
    ),
    "a misspelt setting": (setting(mail_form="x"), "settings", "DIGEST_MAIL_FORM is not a setting", "spelling"),
    "no postal address": (setting(postal_address=""), "postal address", "not set", "DIGEST_POSTAL_ADDRESS"),
    "no mail server": (setting(smtp_url=""), "mail server", "not set", "Set DIGEST_SMTP_URL"),
    "a closed port of the mail server": (
        lambda here: here.smtp.stop(), "mail server", "refuses connections", "Check host and port",
    ),
    "an expired certificate": (certificate(expired=True), "mail server", "has expired", "operator has to renew it"),
    "a certificate about to expire": (
        certificate(days=3), "mail server", "certificate expires on", "operator has to renew it",
    ),
    "a certificate for another name": (
        certificate(ip="192.0.2.1"), "mail server", "for another name", "Use the host name in the certificate",
    ),
    "an authority of one's own that is not set": (
        setting(smtp_ca_file=""), "mail server", "authority that this machine does not trust", "DIGEST_SMTP_CA_FILE",
    ),
    "an authority of one's own in a file that is missing": (
        setting(smtp_ca_file="/nowhere/ca.pem"), "mail server", "/nowhere/ca.pem: No such file", "DIGEST_SMTP_CA_FILE",
    ),
    "a login that is refused": (
        reply(Step.AUTH, "535 5.7.8 bad credentials"), "mail server", "bad credentials", "Check user and password",
    ),
    "a sender that is refused": (
        reply(Step.MAIL, "553 5.7.1 sender not owned by user"),
        "mail server", "rejects the sender digest@papers.example.org: 553 5.7.1", "DIGEST_BOUNCE_ADDRESS",
    ),
    "a recipient that is refused": (
        reply(Step.RCPT, "554 5.7.1 relay access denied"),
        "mail server", "rejects the recipient digest@papers.example.org: 554 5.7.1 relay", "Set user and password",
    ),
    "a recipient that does not exist": (
        reply(Step.RCPT, "550 5.1.1 no such user"), "mail server", "550 5.1.1 no", "Check that this address exists",
    ),
    "a bare EHLO name": (
        setting(smtp_ehlo_name="", public_url="https://localhost"),
        "EHLO name", "greets mail servers as mailbox", "Set DIGEST_SMTP_EHLO_NAME",
    ),
    "SPF without us": (
        records(SPF=[txt("v=spf1 ip4:198.51.100.7 -all")]),
        "SPF", f"does not allow {ADDRESS}, from which you send (fail)", f"Add ip4:{ADDRESS} to TXT {DOMAIN}",
    ),
    "no SPF": (records(SPF=[txt("other=1")]), "SPF", f"{DOMAIN} has no SPF record", f'"v=spf1 ip4:{ADDRESS} ~all"'),
    "two SPF records": (
        records(SPF=[txt("v=spf1 -all"), txt("v=spf1 mx -all")]), "SPF", "has 2 SPF records", "Correct the SPF record",
    ),
    "SPF for everybody": (records(SPF=[txt("v=spf1 +all")]), "SPF", "lets every address send", "~all or -all"),
    "SPF that includes nothing": (records(INCLUDED=None), "SPF", "net, which has no SPF", "Correct the SPF"),
    "no DKIM record": (
        records(DKIM=None), "DKIM record nov26", "has no DKIM record", f"TXT nov26._domainkey.{DOMAIN}: v=DKIM1;",
    ),
    "the DKIM record of another key": (other_key, "DKIM record nov26", "has another key than", "v=DKIM1; k=rsa; p="),
    "a DKIM record that is revoked": (
        records(DKIM=[txt("v=DKIM1; k=rsa; p=")]), "DKIM record nov26", "has another key than", "v=DKIM1; k=rsa; p=",
    ),
    "a DKIM key that others can read": (open_key, "DKIM key nov26", "others on this machine can read it", "chmod 600"),
    "no DMARC": (
        records(DMARC=None), "DMARC", f"{DOMAIN} has no DMARC record", f"TXT _dmarc.{DOMAIN}: v=DMARC1; p=none; rua=",
    ),
    "two DMARC records": (
        records(DMARC=[txt("v=DMARC1; p=none"), txt("v=DMARC1; p=reject")]), "DMARC", "has 2 records", "Keep one",
    ),
    "no MX for bounces": (records(MX=None), "bounce address", f"{DOMAIN} has no MX record", f"Publish MX {DOMAIN}"),
    "an MX that takes no email": (records(MX=["0 ."]), "bounce address", "takes no email", "DIGEST_BOUNCE_ADDRESS"),
    "an MX without an address": (records(MX_ADDRESS=None), "bounce address", "mx.example.org", "Publish A mx."),
    "no PTR": (records(PTR=None), f"PTR {ADDRESS}", "has no PTR record", f"Ask the provider of {ADDRESS}"),
    "a PTR that does not lead back": (
        records(PTR=["mx.example.org."]),
        f"PTR {ADDRESS}", "does not lead back", f"Publish A mx.example.org: {ADDRESS}",
    ),
    "a pending migration": (older_tables, "database", "not those of this version", "digest migrate"),
    "a closed port of the database": (
        closed_port("database_url", "postgresql://digest:secret@127.0.0.1:{port}/digest"),
        "database", "onnection refused", "Start PostgreSQL",
    ),
    "a closed port of Redis": (
        closed_port("redis_url", "redis://127.0.0.1:{port}/0"), "redis", "onnection refused", "Start Redis or Valkey",
    ),
    "a dead worker": (dead(Role.WORKER), "processes", "no worker is running", "Start it: digest up, or digest worker"),
    "a dead scheduler": (
        dead(Role.SCHEDULER), "processes", "no scheduler is running", "Start it: digest up, or digest scheduler",
    ),
    "a full disk": (full_disk, "disk", "only 2.0% of the disk of /var/lib/digest on there is free", "Make room"),
    "an unknown sending address": (
        setting(sending_addresses=""), "SPF", "addresses from which receivers get email", "Set DIGEST_SENDING_ADD",
    ),
    "a skewed clock": (skewed, "clock", "seconds behind that of http://127.0.0.1", "timedatectl set-ntp true"),
    "a Maildir for bounces without its folders": (
        no_maildir, "bounce Maildir", "bounces/cur cannot be used", "Check DIGEST_BOUNCE_MAILDIR",
    ),
    "a bounce mailbox that cannot be read": (
        closed_port("bounce_imap_url", "imap://me:secret@127.0.0.1:{port}/INBOX"),
        "bounce mailbox", "cannot be read", "Check DIGEST_BOUNCE_IMAP_URL",
    ),
    "a replay log that cannot be written": (no_replay_folder, "replay log", "cannot be written", "DIGEST_REPLAY_DIR"),
    "an old backup": (old_backup, "backup", "3 days ago", "Run digest backup every day"),
    "a data folder that cannot be used": (no_folder, "workers' journal", "cannot be written", "DIGEST_DATA_DIR"),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "what", "state", "advice"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_on_one_line_with_its_remedy(installation, plant, what, state, advice):
    plant(installation)
    faults = lines_of(installation.examine())
    fitting = [line for line in faults if line.startswith(what) and state in line and advice in line]
    assert len(fitting) == 1, faults
    assert len(faults) == 1, "the rest is in order"


def lines_of(result: list[Finding] | str) -> list[str]:
    """Return the lines of `digest doctor` about faults, without the mark in front."""
    if isinstance(result, str):
        return result.split("\n")
    return [finding.line()[len("MISSING ") :] for finding in result if not finding.well]


def test_a_healthy_installation_has_no_finding(installation):
    assert lines_of(installation.examine()) == []
    assert installation.smtp.count("DATA") == 0, "no message is begun"
    assert installation.smtp.count("RCPT") == 1


@pytest.mark.skipif(bool(servers.POSTGRES_URL), reason="needs a PostgreSQL of its own")
def test_a_wrong_password_of_the_database_is_named(installation, postgresql_url):
    url = make_url(postgresql_url).set(username=servers.GUARDED, password="wrong")
    with psycopg.connect(postgresql_url) as connection:
        connection.execute(f"CREATE ROLE {servers.GUARDED} LOGIN PASSWORD 'right'")
    try:
        installation.set(database_url=url.render_as_string(hide_password=False))
        [line] = lines_of(installation.examine())
    finally:
        with psycopg.connect(postgresql_url) as connection:
            connection.execute(f"DROP ROLE {servers.GUARDED}")
    assert 'password authentication failed for user "guarded"' in line
    assert line.endswith("→ Correct user and password in DIGEST_DATABASE_URL.")
    assert "wrong" not in line


# --- providers ---

SES = "smtps://user:secret@email-smtp.eu-west-1.amazonaws.com"


def test_a_provider_missing_from_the_spf_record_is_named(installation):
    [line] = lines_of(checked_dns(installation, smtp_url=SES, sending_addresses=""))
    assert line.startswith(f"SPF: the SPF record of {DOMAIN} does not include amazonses.com, through which you send → ")
    assert line.endswith(f"Add include:amazonses.com to TXT {DOMAIN}, in front of its last term.")
    installation.dns.records[DOMAIN, "TXT"] = [txt("v=spf1 include:_spf.example.net include:amazonses.com -all")]
    installation.dns.records["amazonses.com", "TXT"] = [txt("v=spf1 ip4:198.51.100.0/24 -all")]
    assert lines_of(checked_dns(installation)) == []


def checked_dns(installation: Installation, **values: object) -> list[Finding]:
    return list(dns_findings(installation.settings(**values)))


@pytest.mark.parametrize(
    ("url", "kinds", "state"),
    [
        (SES, ["ours"], "signed here, and Amazon SES refuses them if it signs for the same domain too (Easy DKIM)"),
        (SES, ["ours", "ed25519"], "two DKIM signatures (RSA and Ed25519), which Amazon SES refuses"),
        (SES, [], ""),
        ("smtps://user:secret@mail.example.org", ["ours", "ed25519"], ""),
    ],
)
def test_two_signatures_for_amazon_ses_cause_a_warning(installation, url, kinds, state):
    files = {name: installation.folder / f"{name}.pem" for name in kinds}
    for name, file in files.items():
        file.write_bytes(installation.keys[name])
    chosen = " ".join(f"{name}={file}" for name, file in files.items())
    lines = lines_of(list(relay_settings(installation.settings(smtp_url=url, dkim_keys=chosen))))
    assert len(lines) == bool(state)
    assert all(state in line and "DIGEST_DKIM_KEYS" in line for line in lines)


# --- time ---


def test_a_hanging_service_does_not_hold_up_other_checks(installation):
    """Servers that accept a connection but send nothing, and a DNS server that does not reply."""
    with ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(4)]
        installation.dns.silent = True
        installation.set(
            database_url=f"postgresql://digest@127.0.0.1:{ports[0]}/digest",
            redis_url=f"redis://127.0.0.1:{ports[1]}/0",
            smtp_url=f"smtp://127.0.0.1:{ports[2]}",
            huggingface_url=f"http://127.0.0.1:{ports[3]}",
        )
        began = time.monotonic()
        lines = lines_of(installation.examine(seconds=0.5))
        assert time.monotonic() - began < 5
    assert {line.partition(":")[0] for line in lines} == {"database", "redis", "mail server 127.0.0.1", "DNS", "clock"}
    assert all("the check got no answer in time → " in line for line in lines)
