"""The first run, as a stranger starts it: `digest up --once`, `digest up --demo` and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from digest.run import processes
from tests.support.servers_used import ran_on

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

DIGEST = [sys.executable, "-P", "-m", "digest"]
PARTS = {"valkey", "mail", "web", "worker", "scheduler"}


@pytest.fixture
def closed() -> dict[str, str]:
    """The environment of a machine from which no source can be reached."""
    nobody = f"http://{processes.LOOPBACK}:{processes.free_port()}"
    sources = {f"DIGEST_{name}_URL": nobody for name in ("HUGGINGFACE", "ARXIV", "ARXIV_FEED", "HACKERNEWS")}
    return dict(os.environ) | sources | {"DIGEST_WEB_PORT": str(processes.free_port())}


SAMPLE = b"This is a sample: the sources couldn"


def test_without_sources_three_subscribers_get_the_bundled_papers_and_what_is_configured_is_left_alone(
    closed: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ran_on(request, "Celery worker processes")
    real = tmp_path / "real.sqlite"
    closed |= {
        "DIGEST_DATABASE_URL": f"sqlite:///{real}",
        "DIGEST_SMTP_URL": f"smtp://{processes.LOOPBACK}:{processes.free_port()}",
        "DIGEST_REDIS_URL": f"redis://{processes.LOOPBACK}:{processes.free_port()}",
    }
    done = subprocess.run([*DIGEST, "up", "--once"], env=closed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not real.exists()
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert set(result) == {"accepted", "inbox", "seconds", "papers", "source"}
    assert result["accepted"] == 3
    digests = digests_in(tmp_path / "data" / "demo" / "inbox")
    assert result["inbox"] == len(digests) == 3
    assert [SAMPLE in file.read_bytes() for file in digests] == [True] * 3
    assert result["source"] == "bundled"
    assert result["papers"] >= 10
    assert "cannot be reached" in done.stderr
    assert left_behind(tmp_path) == []


def test_with_a_source_that_answers_the_papers_are_live_and_ctrl_c_stops_every_program(  # SIGTERM: test_installed.py
    closed: dict[str, str], replay: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ran_on(request, "Celery worker processes")
    closed["DIGEST_HUGGINGFACE_URL"] = replay
    with (tmp_path / "output").open("wb") as output:
        demo = processes.start([*DIGEST, "up", "--demo"], environment=closed, output=output)
    try:
        assert processes.wait_until(lambda: "Ctrl-C" in text_of(tmp_path / "output"), seconds=180)
        digests = digests_in(tmp_path / "data" / "demo" / "inbox")
        assert [b"A study of reasoning" in file.read_bytes() for file in digests] == [True] * 3
        assert not any(SAMPLE in file.read_bytes() for file in digests)
        running = left_behind(tmp_path)
        assert len(running) >= len(PARTS)
        written = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]
        assert {"web.log", "scheduler.log", "worker.log", "digest.sqlite"} <= {file.name for file in written}
        assert [file for file in written if file.stat().st_mode & 0o077] == [], "others can read them"
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    finally:
        processes.stop(demo)
    assert len(text_of(tmp_path / "output").strip().splitlines()) <= 20
    assert left_behind(tmp_path) == []


def test_a_data_folder_that_cannot_be_written_is_reported_in_one_line(closed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    closed["DIGEST_DATA_DIR"] = str(tmp_path / "file")
    done = subprocess.run([*DIGEST, "up", "--once"], env=closed, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "DIGEST_DATA_DIR" in done.stderr
    assert done.stdout == ""


@pytest.fixture
def replay() -> Iterator[str]:
    """A server that answers as the Hugging Face API does, with twelve papers for any date."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = urlsplit(self.path)
            day = parse_qs(target.query).get("date", ["2026-11-23"])[0]
            listed = target.path == "/api/daily_papers" and parse_qs(target.query).get("p", ["0"])[0] == "0"
            body = json.dumps([_item(number, day) for number in range(12)] if listed else []).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None: ...

    server = ThreadingHTTPServer((processes.LOOPBACK, 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://{processes.LOOPBACK}:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _item(number: int, day: str) -> dict[str, Any]:
    at = f"{day}T00:00:00.000Z"
    paper = {
        "id": f"2611.{10000 + number}",
        "title": f"A study of reasoning, part {number}",
        "summary": "It was studied.",
        "authors": [{"name": "Ada Example"}],
        "publishedAt": at,
        "submittedOnDailyAt": at,
        "upvotes": number,
    }
    return {"paper": paper, "title": paper["title"], "publishedAt": at, "numComments": 0}


def digests_in(inbox: Path) -> list[Path]:
    return [file for file in (inbox / "new").iterdir() if b":digest:localhost:digest" in file.read_bytes()]


def left_behind(folder: Path) -> list[str]:
    """Running programs, other than `digest up`, that have this test's folder in their environment or command."""
    running = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if f"{folder}/data/demo".encode() in about:
            running.append(process.name)
    return running


def text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""
