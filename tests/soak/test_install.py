"""The commands of docs/install.md in a clean Debian, up to the first email of a confirmed subscriber.

It needs root, debootstrap and the network; the transcript goes to DIGEST_INSTALL_TRANSCRIPT if that names a file.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from digest.run import processes
from tests.support.clean_root import ROOT, CleanRoot, commands, started_by, unit_command
from tests.support.daily_lists import daily_lists
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(3600)

MOST_COMMANDS = 20
_READY = os.environ.get("DIGEST_INSTALL_ROOT", "")  # made by debootstrap
_TRANSCRIPT = os.environ.get("DIGEST_INSTALL_TRANSCRIPT", "")
_UNDO = (
    "service postgresql start",
    "runuser -u postgres -- dropdb --force digest",
    "runuser -u postgres -- dropuser digest",
    "userdel digest",
    "rm -rf /opt/digest /etc/digest /var/lib/digest /var/mail/ada",
)
_NEEDED = ("debootstrap", "chroot", "mount")


@pytest.fixture
def closed_network():
    """Allow the network: packages come from Debian and an index."""


@pytest.fixture
def clean_root():
    if os.geteuid() or not all(map(shutil.which, _NEEDED)):
        pytest.skip("a clean root needs root and debootstrap")
    folder = Path(_READY or "/var/tmp/digest-clean-root")
    if not (folder / "usr").exists():
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(folder)], check=True)
    for name in ("proc", "dev"):
        if not os.path.ismount(folder / name):
            subprocess.run(["mount", "--bind", f"/{name}", str(folder / name)], check=True)
    shutil.copy("/etc/resolv.conf", folder / "etc")
    (folder / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")  # no service starts when it is installed
    (folder / "usr/sbin/policy-rc.d").chmod(0o755)
    root = CleanRoot(folder)
    root.copy(Path("/etc/ssl/certs/ca-certificates.crt"), "/etc/ssl/certs/ca-certificates.crt")
    (folder / "root/digest").mkdir(exist_ok=True)
    for name in ("deploy", "requirements.lock"):
        root.copy(ROOT / name, f"/root/digest/{name}")
    shutil.rmtree(folder / "root/digest/dist", ignore_errors=True)
    build = [ROOT / ".venv/bin/python", "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "root/digest/dist"]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    for command in _UNDO:  # of an earlier run, if the root is used again
        root.run(f"{command} || true", shown=False)
    yield root
    if _TRANSCRIPT:
        Path(_TRANSCRIPT).write_text("\n".join(root.transcript) + "\n")
    for service in ("redis-server", "postfix", "postgresql"):
        root.run(f"service {service} stop || true", shown=False)


def test_the_page_leads_from_nothing_to_the_first_email(clean_root):
    page = commands(ROOT / "docs" / "install.md")
    assert len(page) <= MOST_COMMANDS
    running = []
    with daily_lists() as lists:
        try:
            for command in page:
                running += _follow(clean_root, command, lists.url)
            _subscribe(clean_root)
        finally:
            for process in reversed(running):
                processes.stop(process, patience=60)


def _follow(root, command, sources):
    """Run a line of the page, and do what systemd would do next. Returns the programs that were started."""
    if command.startswith("systemctl"):
        root.transcript.append(f"# {command}")
        if not started_by(command):
            return []
        root.run(unit_command("digest-migrate"))
        return [root.start(unit_command(name), f"{name}.log") for name in started_by(command)]
    if command.endswith("digest doctor"):
        root.run(f"{command} || [ $? = 3 ]")  # 3: something is missing here, such as DNS records
        return []
    root.run(command)
    if command.startswith("apt-get install"):
        root.run("postconf -e inet_interfaces=loopback-only mydestination=example.org,localhost", shown=False)
        root.run("id ada || useradd --create-home ada", shown=False)
        for service in ("postgresql", "redis-server", "postfix"):
            root.run(f"service {service} start", shown=False)
            root.transcript.append(f"# started for systemd: service {service} start")
    if command.startswith("cat > /etc/digest/digest.env"):
        more = f"DIGEST_SOURCES=huggingface\\nDIGEST_HUGGINGFACE_URL={sources}\\nDIGEST_CUT_AT=00:00\\n"
        root.run(f"printf '{more}' >> /etc/digest/digest.env")  # local sources, and an issue at any time of day
    return []


def _subscribe(root):
    """Sign up and confirm as a person does, at the port that the proxy asks."""
    wait_for(lambda: processes.answers(8000), 60, "the pages")
    scheduler = root.folder / "tmp/digest-scheduler.log"
    wait_for(lambda: "issue cut" in scheduler.read_text(), 120, "today's issue, which a confirmation brings at once")
    asks = "curl --silent --fail --header 'Origin: https://papers.example.org' --header 'X-Forwarded-Proto: https'"
    root.run(f"{asks} --output /dev/null --data email=ada@example.org http://127.0.0.1:8000/subscribe")
    wait_for(lambda: _confirmation(root), 120, "the confirmation")
    path = _confirmation(root)
    root.run(f"{asks} --output /dev/null --data topics= http://127.0.0.1:8000{path}")
    wait_for(lambda: "Daily Papers" in _mailbox(root) and ":digest:" in _mailbox(root), 180, "the first digest")
    shown = re.findall(r"^(?:From|To|Subject|Feedback-ID):.*", _mailbox(root), re.MULTILINE)
    root.transcript += ["# the mailbox of ada@example.org has", *shown]


def _mailbox(root):
    file = root.folder / "var/mail/ada"
    return file.read_text(errors="replace") if file.exists() else ""


def _confirmation(root):
    """Return the path of the confirmation link."""
    match = re.search(r"https://papers\.example\.org(/confirm/\S+)", _mailbox(root).replace("=\n", ""))
    return match[1].replace("=3D", "=") if match else ""
