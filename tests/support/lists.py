"""A local server in the place of Hugging Face: for each date a list of made-up papers, in the shape of real answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAPERS_A_DAY = 12


@contextmanager
def daily_lists() -> Iterator[str]:
    """The address of the server, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Lists)
    running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    running.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    running.join(5)


def list_of(day: date) -> list[dict[str, object]]:
    """What is listed for `day`: none twice on two days."""
    return [_item(day, number) for number in range(PAPERS_A_DAY)]


def _item(day: date, number: int) -> dict[str, object]:
    listed = f"{day.isoformat()}T0{number % 6}:15:00.000Z"
    published = f"{(day - timedelta(days=1)).isoformat()}T12:00:00.000Z"
    title = f"Paper {number} of {day:%d %B}: learning $x^2$ from 95% of the data"
    paper = {
        "id": f"{day:%y%m}.{day:%d}{number:03}",
        "title": title,
        "summary": f"We study question {number}. The answer is surprising.",
        "authors": [{"name": "Ada Lovelace", "hidden": False}, {"name": "Alan Turing", "hidden": False}],
        "publishedAt": published,
        "submittedOnDailyAt": listed,
        "upvotes": 5 * (PAPERS_A_DAY - number),
        "discussionId": f"{number:024x}",
        "ai_summary": f"An answer to question {number}.",
    }
    return {
        "paper": paper,
        "publishedAt": published,
        "title": title,
        "summary": paper["summary"],
        "numComments": number,
    }


class _Lists(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        listed = list_of(date.fromisoformat(query["date"][0])) if query.get("p", ["0"]) == ["0"] else []
        body = json.dumps(listed).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None: ...
