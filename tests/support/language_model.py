"""A local server that speaks OpenAI's API, and answers as a test wants."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENGLISH = "The authors show how number {number} finds what papers found out before."
CHINESE = "本文提出编号 {number} 的新方法，显著提升了检索质量。"


@dataclass(frozen=True)
class Raw:
    """An answer byte by byte, which may be slow."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def says(words: Any) -> Raw:
    """The answer of a model that says this."""
    return Raw(body=json.dumps({"choices": [{"message": {"role": "assistant", "content": words}}]}).encode())


def _sentence(request: dict[str, Any]) -> Raw:
    instructions, about = (message["content"] for message in request["messages"])
    text = CHINESE if "Chinese" in instructions else ENGLISH
    return says(text.format(number=json.loads(about)["title"].rpartition(" ")[2]))


@dataclass
class ModelServer:
    """The requests so far, and how to answer them."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], Raw] = _sentence
    models: tuple[str, ...] = ("tiny-1",)

    @property
    def asked_about(self) -> list[str]:
        """The titles, in order."""
        return [json.loads(request["messages"][1]["content"])["title"] for request in self.requests]


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """A server in threads of this process."""
    model = ModelServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(model))
    server.daemon_threads = True
    model.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(model: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            listed = {"object": "list", "data": [{"id": name} for name in model.models]}
            self._reply(Raw(body=json.dumps(listed).encode()) if self.path == "/v1/models" else Raw(404))

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path != "/v1/chat/completions":
                return self._reply(Raw(404))
            model.requests.append(request)
            model.headers.append({name.lower(): value for name, value in self.headers.items()})
            return self._reply(model.answer(request))

        def _reply(self, raw: Raw) -> None:
            self.send_response(raw.status)
            for name, value in ({"content-length": str(len(raw.body))} | raw.headers).items():
                self.send_header(name, value)
            self.end_headers()
            time.sleep(raw.seconds)
            try:
                self.wfile.write(raw.body)
            except OSError:
                return  # nobody waits any more

        def log_message(self, *_about: object) -> None:
            """Say nothing."""

    return Handler
