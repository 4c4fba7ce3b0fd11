"""An operator's installation: the wheel, and the Procfile on PostgreSQL and Redis."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2
import pytest

from digest.run import processes
from tests.end_to_end.test_first_run import PARTS, digests_in, left_behind, text_of
from tests.support.servers_used import ran_on
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def unpacked_wheel(tmp_path):
    """The content of a wheel that was built from a copy of the checkout, as an installer lays it out."""
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", ".digest", "tests", "docs", "*.pyc", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, source, ignore=ignored)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    shutil.rmtree(source)
    return tmp_path / "site"


def test_an_installed_wheel_does_the_demo_without_the_checkout_until_it_is_terminated(
    unpacked_wheel, tmp_path, request, monkeypatch
):
    ran_on(request, "Celery worker processes")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    nobody = f"http://{processes.LOOPBACK}:{processes.free_port()}"
    environment = dict(os.environ) | {
        "PYTHONPATH": str(unpacked_wheel),  # stands before the checkout, which is installed editable
        "DIGEST_HUGGINGFACE_URL": nobody,
        "DIGEST_ARXIV_URL": nobody,
        "DIGEST_ARXIV_FEED_URL": nobody,
        "DIGEST_HACKERNEWS_URL": nobody,
        "DIGEST_WEB_PORT": str(processes.free_port()),
    }
    where = [sys.executable, "-P", "-c", "import digest, workers; print(digest.__file__, workers.__file__)"]
    imported = subprocess.run(where, env=environment, cwd=elsewhere, capture_output=True, text=True, check=True).stdout
    assert imported.count(str(unpacked_wheel)) == 2
    command = [sys.executable, "-P", "-m", "digest", "up", "--demo"]
    monkeypatch.chdir(elsewhere)
    with (tmp_path / "output").open("wb") as output:
        demo = processes.start(command, environment=environment, output=output)
    try:
        wait_for(lambda: "Ctrl-C" in text_of(tmp_path / "output") or demo.poll() is not None, 180, "the demo")
        assert demo.poll() is None, text_of(tmp_path / "output")
        assert len(digests_in(tmp_path / "data" / "demo" / "inbox")) == 3
        assert len(left_behind(tmp_path)) >= len(PARTS)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(30) == 0
    finally:
        processes.stop(demo)
    assert left_behind(tmp_path) == []


def test_the_procfile_runs_on_postgresql_and_redis(postgresql_url, redis_url, smtp_server, request, tmp_path):
    ran_on(request, "Celery worker processes")
    port = processes.free_port()
    nobody = f"http://{processes.LOOPBACK}:{processes.free_port()}"
    environment = dict(os.environ) | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(port),
        "DIGEST_DATABASE_URL": postgresql_url,
        "DIGEST_REDIS_URL": redis_url,
        "DIGEST_SMTP_URL": smtp_server.url,
        "DIGEST_HUGGINGFACE_URL": nobody,
        "DIGEST_ARXIV_URL": nobody,
        "DIGEST_ARXIV_FEED_URL": nobody,
        "DIGEST_HACKERNEWS_URL": nobody,
        "DIGEST_SWEEP_SECONDS": "1",
    }
    honcho = [sys.executable, "-m", "honcho", "-f", str(ROOT / "Procfile"), "start", "web", "worker", "scheduler"]
    with (tmp_path / "honcho.log").open("wb") as log:
        running = processes.start(honcho, environment=environment, output=log)
        try:
            pages = f"http://{processes.LOOPBACK}:{port}"
            wait_for(lambda: _answers(pages), 60, "the front page")
            with httpx2.Client(base_url=pages, trust_env=False) as browser:
                assert browser.post("/subscribe", data={"email": "ada@example.com"}).status_code == 200
            wait_for(lambda: smtp_server.taken_for("ada@example.com"), 60, "the confirmation")
        finally:
            processes.stop(running)


def _answers(pages):
    # Without certificates, which would be read again at each look: 40 ms of work.
    try:
        return httpx2.get(f"{pages}/readyz", timeout=5, trust_env=False, verify=False).status_code == 200
    except httpx2.TransportError:
        return False
