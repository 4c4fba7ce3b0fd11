"""digest init writes settings and keys and prints DNS records, from a file of answers or questions in a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from honcho.environ import parse as as_honcho_reads

from digest.mail.compose.dkim import load_signer
from digest.monitoring.doctor.domain import dns_findings
from digest.settings import FILE_VARIABLE, settings
from digest.settings.environment import values_in
from tests.support.dns_server import DnsServer
from tests.support.env_files import as_compose_reads, as_systemd_reads, systemd_parser

ANSWERS = """DIGEST_PUBLIC_URL=https://papers.example.org
DIGEST_TITLE="Ada's Papers #1"
DIGEST_MAIL_FROM='Papers <digest@papers.example.org>'
DIGEST_SMTP_URL=smtp+starttls://user:secret@mail.example.org:587
DIGEST_SENDING_ADDRESSES='203.0.113.25 2001:db8::25'
"""


@pytest.fixture
def init(command, tmp_path, monkeypatch):
    """Run `digest init` with these answers; returns the values in the file and the JSON that it printed."""
    monkeypatch.delenv("DIGEST_DATA_DIR")

    def init(answers: str, *options: str) -> tuple[dict[str, str], dict]:
        (tmp_path / "answers").write_text(answers)
        done = command("init", "--answers", "answers", "--json", *options)
        assert done.returncode == 0, done.stderr
        file = tmp_path / ".env"
        return values_in(file.read_text(), ".env") if file.exists() else {}, json.loads(done.stdout)

    return init


def test_answers_become_a_private_file_with_quoted_values_a_key_and_a_secret(init, tmp_path):
    values, told = init(ANSWERS)
    assert values_in(ANSWERS, "").items() <= values.items()
    assert '\nDIGEST_TITLE="Ada\'s Papers #1"\n' in (tmp_path / ".env").read_text()
    assert len(values["DIGEST_SECRET_KEY"]) == 64
    [(selector, file)] = [pair.split("=") for pair in values["DIGEST_DKIM_KEYS"].split()]
    key = tmp_path / file
    assert isinstance(load_signer(selector, key.read_bytes()).key, RSAPrivateKey)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / ".env", key, key.parent)] == [0o600, 0o600, 0o700]
    assert told["keys"] == [file]


def test_the_file_means_the_same_to_every_program_that_reads_it(init, tmp_path):
    ours, _ = init(ANSWERS)
    text = (tmp_path / ".env").read_text()
    assert as_honcho_reads(text) == ours
    assert as_compose_reads(text) == ours
    if systemd := systemd_parser():
        assert as_systemd_reads(systemd, tmp_path / ".env") == ours


def test_existing_values_and_keys_are_never_changed(init, tmp_path):
    before, _ = init(ANSWERS)
    file, [key] = tmp_path / ".env", (tmp_path / "dkim").iterdir()
    kept = file.read_text(), key.read_bytes()
    other = ANSWERS.replace("papers.example.org", "other.example.org") + "DIGEST_CONTACT=ada@example.org\n"
    after, told = init(other, "--ed25519")
    assert after == before | {"DIGEST_CONTACT": "ada@example.org"}
    assert (told["added"], told["keys"]) == (["DIGEST_CONTACT"], [])
    assert told["kept"] == ["DIGEST_PUBLIC_URL", "DIGEST_MAIL_FROM"]
    assert file.read_text() == kept[0].replace("# DIGEST_CONTACT=\n", "DIGEST_CONTACT=ada@example.org\n")
    assert (key.read_bytes(), file.stat().st_mode & 0o777) == (kept[1], 0o600)


def test_missing_values_are_added_at_the_end_of_an_existing_file(init, tmp_path):
    (tmp_path / "data").rename(tmp_path / ".digest")  # with the secret of an earlier run
    (tmp_path / ".env").write_text("OTHER=x\nDIGEST_TITLE=Mine")
    (tmp_path / ".env").chmod(0o640)
    values, _ = init(ANSWERS, "--no-dkim")
    assert values["DIGEST_TITLE"] == "Mine"
    assert "DIGEST_SECRET_KEY" not in values, "links in emails depend on the secret that is there"
    assert "DIGEST_DKIM_KEYS" not in values
    assert (tmp_path / ".env").read_text().startswith("OTHER=x\nDIGEST_TITLE=Mine\nDIGEST_PUBLIC_URL=")
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o640


def test_a_dry_run_writes_nothing(init, tmp_path):
    _, told = init(ANSWERS, "--dry-run")
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("data", "answers")] == []
    assert "DIGEST_DKIM_KEYS" in told["added"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("DIGEST_MAIL_FROM='Papers digest@papers.example.org'", "DIGEST_MAIL_FROM: use an address such as"),
        ("DIGEST_MAIL_FORM=x@example.org", "DIGEST_MAIL_FORM is not a setting"),
        ("DIGEST_TITLE=Daily Papers", "answers, line 1: write DIGEST_TITLE='value'"),
        ("DIGEST_SMTP_URL=smtps://mail.example.org", "DIGEST_MAIL_FROM: with a real mail server"),
    ],
)
def test_a_wrong_answer_is_one_line_and_nothing_is_written(command, tmp_path, answer, problem):
    (tmp_path / "answers").write_text(f"{answer}\n")
    done = command("init", "--answers", "answers")
    assert (done.returncode, done.stderr.count("\n"), problem in done.stderr) == (2, 1, True), done.stderr
    assert not (tmp_path / ".env").exists()
    assert not (tmp_path / "dkim").exists()


# --- the records ---


def test_the_records_are_those_that_doctor_checks(init, tmp_path, monkeypatch):
    _, told = init(ANSWERS, "--ed25519")
    lines = "\n".join(record["zone"] for record in told["records"])
    zone = dns.zone.from_text(lines, "example.org", relativize=False, check_origin=False)
    published = {
        (name.to_text(omit_final_dot=True), dns.rdatatype.to_text(each.rdtype)): [rdata.to_text() for rdata in each]
        for name, node in zone.nodes.items()
        for each in node.rdatasets
    }
    for record in told["records"]:
        if record["kind"] == "TXT":
            texts = published[record["name"], "TXT"]
            assert "".join(re.findall('"([^"]*)"', " ".join(texts))) == record["value"]
            assert all(len(part) <= 255 for part in re.findall('"([^"]*)"', " ".join(texts)))
    published |= {
        ("mail.papers.example.org", "A"): ["203.0.113.25"],
        ("mail.papers.example.org", "AAAA"): ["2001:db8::25"],
        ("25.113.0.203.in-addr.arpa", "PTR"): ["mail.papers.example.org."],
        (f"5.2{'.0' * 22}.8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): ["mail.papers.example.org."],
    }
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / ".env"))
    with DnsServer(published) as server:
        monkeypatch.setenv("DIGEST_DNS_SERVER", server.address)
        settings.cache_clear()
        findings = list(dns_findings(settings()))
    assert [finding.line() for finding in findings if not finding.well] == []
    assert len(findings) == 7, "SPF, two DKIM keys, DMARC, MX, two PTR"


def test_a_provider_that_signs_is_included_and_no_key_is_made(init):
    values, told = init(ANSWERS.replace("mail.example.org", "email-smtp.eu-west-1.amazonaws.com").replace(
        "DIGEST_SENDING", "# DIGEST_SENDING"
    ))  # fmt: skip
    assert "DIGEST_DKIM_KEYS" not in values
    assert told["records"][0]["value"] == "v=spf1 include:amazonses.com ~all"


@pytest.mark.parametrize(
    ("server", "term"),
    [
        ("smtp://127.0.0.1", "a:mail.papers.example.org"),
        ("smtps://192.0.2.25", "ip4:192.0.2.25"),
        ("smtps://[2001:db8::25]", "ip6:2001:db8::25"),
        ("smtps://mail.example.net", "a:mail.example.net"),
    ],
)
def test_the_spf_record_has_the_mail_server_as_it_was_given(init, monkeypatch, server, term):
    monkeypatch.setattr("socket.gethostname", lambda: "mailbox")
    _, told = init(f"DIGEST_MAIL_FROM=digest@papers.example.org\nDIGEST_SMTP_URL={server}\n", "--no-dkim")
    assert told["records"][0]["value"] == f"v=spf1 {term} ~all"
    assert "127.0.0.1" not in told["records"][-1]["value"]


# --- questions ---


def test_a_terminal_is_asked_for_missing_values_and_again_after_a_wrong_answer(tmp_path):
    (tmp_path / ".env").write_text("DIGEST_TITLE='Set already'\n")
    answers = [
        "https://papers.example.org",
        "no address", "Papers <digest@papers.example.org>",
        "mail.example.org", "ada", "p@ss #1",
        "", "1 Lab Street, Ghent", "", "",
        "y",
    ]  # fmt: skip
    screen = in_a_terminal(["init"], answers, tmp_path)
    values = values_in((tmp_path / ".env").read_text(), ".env")
    assert values["DIGEST_TITLE"] == "Set already"
    assert "Name of the digest" not in screen
    assert "DIGEST_MAIL_FROM: use an address such as" in screen
    assert values["DIGEST_MAIL_FROM"] == "Papers <digest@papers.example.org>"
    assert values["DIGEST_SMTP_URL"] == "smtp+starttls://ada:p%40ss%20%231@mail.example.org"
    assert "p@ss" not in screen, "a password is not shown"
    assert "DIGEST_CONTACT" not in values
    assert "_domainkey.papers.example.org. 3600 IN TXT" in screen


def in_a_terminal(arguments: list[str], answers: list[str], folder: Path) -> str:
    """Answer the questions of a command in turn, and return its screen."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "DIGEST_DATA_DIR"}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("digest"), *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment,
    )  # fmt: skip
    os.close(theirs)
    shown, waiting = "", list(answers)
    while part := _read(ours):
        shown += part
        if waiting and re.search(r": $", shown):
            os.write(ours, f"{waiting.pop(0)}\n".encode())
    os.close(ours)
    assert process.wait(20) == 0, shown
    return shown.replace("\r\n", "\n")


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode()
    except OSError:  # its other side is closed
        return ""
