"""The wheel in a clean environment without the checkout, as a stranger installs it."""

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from tests.run.test_once import ADA, papers_in
from tests.support.daily_lists import daily_lists

pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 60  # from only Python to the first email, including the installation


@pytest.fixture
def closed_network():
    """Allow the network: packages come from an index."""


def test_the_wheel_alone_sends_a_first_email_within_a_minute(tmp_path, smtp_server):
    wheel = _built(tmp_path)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    before = os.times()
    began = time.monotonic()
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    pip = [tmp_path / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", wheel]
    subprocess.run(pip, cwd=tmp_path, env=environment | _index(), check=True)
    digest = tmp_path / "venv" / "bin" / "digest"
    version = subprocess.run([digest, "--version"], env=environment, capture_output=True, text=True, check=True).stdout
    assert version.startswith("digest ")
    with daily_lists() as lists:
        environment |= {"DIGEST_SOURCES": "huggingface", "DIGEST_HUGGINGFACE_URL": lists.url}
        once = [digest, "once", "--to", ADA, "--smtp", smtp_server.url]
        done = subprocess.run(once, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        after = os.times()
        file = tmp_path / "mail.html"
        look = [*once[:4], "--output", file, "--data-dir", tmp_path / "other"]
        subprocess.run(look, cwd=tmp_path, env=environment, capture_output=True, check=True)
    (message,) = smtp_server.taken
    assert len(papers_in(message.content)) == 10
    assert "A study of" in file.read_text()
    assert (tmp_path / ".local/share/digest-once/digest.sqlite").exists()
    # CPU time, because other programs may share the processor.
    used = after.children_user - before.children_user + after.children_system - before.children_system
    sys.stderr.write(f"cold: {used:.0f} s of the processor, {time.monotonic() - began:.0f} s in all\n")
    assert used <= MOST_SECONDS


def _built(folder):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def _index():
    """Return the package index configured on this machine."""
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
