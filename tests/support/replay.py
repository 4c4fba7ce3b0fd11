"""A local server that answers like the paper sources, from recorded answers, and misbehaves when told to."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Reply:
    """One answer. `cut` bytes are announced and never sent; `drip` sends a byte at a time for ever."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    endless: bool = False
    written: int = 0  # bytes of an endless answer that the client has taken
    drip: bool = False
    silent_seconds: float = 0.0


class Replay:
    """Answers scripted per path are given in turn, the last one again and again; other paths are recorded days."""

    def __init__(self, data: Path | None = None) -> None:
        self.url = ""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._data = data
        self._scripts: dict[str, list[Reply]] = {}

    def answers(self, path: str, *replies: Reply) -> None:
        self._scripts[path] = list(replies)

    def reply(self, target: str) -> Reply:
        parts = urlsplit(target)
        script = self._scripts.get(parts.path)
        if script:
            return script.pop(0) if len(script) > 1 else script[0]
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self._data and parts.path == "/api/daily_papers":
            return self._day(query)
        return Reply(b"not here", status=404)

    def _day(self, query: dict[str, str]) -> Reply:
        file = (self._data or Path()) / "hf" / "raw_days" / f"{query.get('date', '')}.json"
        if not file.is_file() or query.get("p", "0") != "0":
            return json_reply([])
        return Reply(file.read_bytes(), headers={"Content-Type": "application/json"})


def json_reply(document: Any, **headers: str) -> Reply:
    """A JSON answer; `etag="…"` becomes a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(document).encode(), headers={"Content-Type": "application/json", **named})


@contextmanager
def replaying(data: Path | None = None, kind: type[Replay] = Replay, host: str = "127.0.0.1") -> Iterator[Replay]:
    """A server on a free port of this machine, which answers as `kind` does."""
    replay = kind(data)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            replay.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            with suppress(OSError):  # the client went away, as it should
                _send(self, replay.reply(self.path))

        def log_message(self, *_arguments: Any) -> None: ...

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    replay.url = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield replay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    time.sleep(reply.silent_seconds)
    handler.close_connection = True
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    if not (reply.endless or reply.drip):
        handler.send_header("Content-Length", str(len(reply.body) + reply.cut))
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(reply.body)
    while reply.endless:
        handler.wfile.write(b" " * 65536)
        reply.written += 65536
    while reply.drip:
        handler.wfile.write(b" ")
        time.sleep(0.05)


def main() -> None:
    """Serve the recorded days at a printed address until stopped: `python -m tests.support.replay DATA`."""
    import sys

    with replaying(Path(sys.argv[1])) as replay:
        sys.stdout.write(f"{replay.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
