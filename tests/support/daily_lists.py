"""A local server with a different list of papers for each day, in the format of the Hugging Face Daily Papers API."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.replay import Replay, Reply, json_reply, replaying

A_DAY = 14  # papers


class DailyLists(Replay):
    """Answers for any day, until `is_down`."""

    is_down = False
    rare = ""  # the abstract of the last paper of each day

    def reply(self, target: str) -> Reply:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.is_down:
            return Reply(b"down", status=503)
        if parts.path != "/api/daily_papers" or query.get("p", "0") != "0":
            return json_reply([])
        rows = [_listed(number, query["date"]) for number in range(A_DAY)]
        if self.rare:
            rows[-1]["paper"]["summary"] = self.rare
        return json_reply(rows)


@contextmanager
def daily_lists() -> Iterator[DailyLists]:
    """A server on a free port of this machine."""
    with replaying(kind=DailyLists) as lists:
        assert isinstance(lists, DailyLists)
        yield lists


def _listed(number: int, day: str) -> dict[str, Any]:
    at = f"{day}T00:00:00.000Z"
    subject = ("robots that grasp", "speech recognition", "graph learning")[number % 3]
    paper = {
        "id": f"{day[2:4]}{day[5:7]}.{int(day[8:]) * 100 + number:05}",
        "title": f"A study of {subject}, part {number} of {day}",
        "summary": f"It was studied how {subject} works.",
        "authors": [{"name": f"Ada Example {number}"}],
        "publishedAt": at,
        "submittedOnDailyAt": at,
        "upvotes": 20 + 3 * number,
    }
    return {"paper": paper, "title": paper["title"], "publishedAt": at, "numComments": 0}
