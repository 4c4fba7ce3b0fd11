"""A program that receives webhooks, verifies them and writes each down; started as a process, it can be killed.

python -m tests.support.webhook_receiver PORT FILE SECRET
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook


@dataclass
class Receiver:
    """The requests so far, and how to answer: a status, further headers and a body."""

    url: str = ""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]] = lambda _: (204, {}, b"")

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.requests]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver in a thread of this process."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(receiver))
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status, headers, text = receiver.answer(json.loads(body))
            self.send_response(status)
            for name, value in ({"content-length": str(len(text))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_about: object) -> None:
            """Say nothing."""

    return Handler


def receive_to(file: Path, secret: str, port: int) -> None:
    """Verify each webhook and write it to `file` before it is acknowledged, until the process is killed."""
    with receiving(port) as receiver, file.open("a") as written:

        def keep(_document: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
            headers, body = receiver.requests[-1]
            document = Webhook(secret).verify(body, headers)
            written.write(json.dumps([headers["webhook-id"], document]) + "\n")
            written.flush()
            return 204, {}, b""

        receiver.answer = keep
        threading.Event().wait()
