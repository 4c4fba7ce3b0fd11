"""What one mail costs to make, beside the obvious way with the standard library's EmailMessage.

`python -m benchmarks.compose [--mails N] [--json]` renders and composes N digests of ten papers, ours and the reference
in turns, and prints milliseconds of CPU a mail and their ratio (ours / reference; smaller is better).
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP

from digest.issues.issue import Issue, IssueStatus
from digest.issues.selection import Pick, Selection
from digest.mail.compose import compose
from digest.mail.message import Headers, Kind
from digest.mail.render import Look, ReaderLinks, Renderer
from digest.papers.paper import Paper, RankedPaper
from digest.resources import resource

NOW = datetime(2026, 3, 4, 6, tzinfo=UTC)
LOOK = Look("Daily Papers", "https://papers.example.org", "1 Lab Street, Ghent")
ROUNDS = 5


def main() -> None:
    """Run the benchmark and print what it measured."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    ask.add_argument("--mails", type=int, default=60, help="mails a round")
    ask.add_argument("--json", action="store_true", help="one JSON line")
    asked = ask.parse_args()
    found = measure(asked.mails)
    if asked.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:28} {value}" for name, value in found.items()))


def measure(mails: int) -> dict[str, float]:
    """Medians of five rounds, ours and the reference in turns."""
    renderer = Renderer(resource("templates"))
    issue = _issue()
    ours, reference, ratios = [], [], []
    for _ in range(ROUNDS):
        ours.append(_cpu_ms(lambda number: _our_way(renderer, issue, number), mails))
        reference.append(_cpu_ms(lambda number: _obvious_way(renderer, issue, number), mails))
        ratios.append(ours[-1] / reference[-1])
    return {
        "mails": mails * ROUNDS,
        "milliseconds_per_mail": round(statistics.median(ours), 3),
        "reference_milliseconds": round(statistics.median(reference), 3),
        "ratio": round(statistics.median(ratios), 3),
    }


def _cpu_ms(make: Callable[[int], bytes], mails: int) -> float:
    began = time.process_time()
    for number in range(mails):
        make(number)
    return (time.process_time() - began) * 1000 / mails


def _our_way(renderer: Renderer, issue: Issue, number: int) -> bytes:
    links = _links(number)
    letter = renderer.digest_letter(issue, _selection(issue, number), links, LOOK)
    headers = Headers(
        sender="Daily Papers <papers@example.org>",
        to=links.address,
        date=NOW,
        message_id=f"digest.{number:032}@example.org",
        kind=Kind.DIGEST,
        occasion="2026-03-04",
        list_domain="example.org",
        unsubscribe_url=links.unsubscribe_url,
    )
    return compose(letter, headers)


def _obvious_way(renderer: Renderer, issue: Issue, number: int) -> bytes:
    links = _links(number)
    letter = renderer.digest_letter(issue, _selection(issue, number), links, LOOK)
    message = EmailMessage(policy=SMTP)
    message["From"] = "Daily Papers <papers@example.org>"
    message["To"] = links.address
    message["Subject"] = letter.subject
    message["Message-ID"] = f"<digest.{number:032}@example.org>"
    message["List-Unsubscribe"] = f"<{links.unsubscribe_url}>"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message.as_bytes()


def _links(number: int) -> ReaderLinks:
    token = f"{number:032}"
    return ReaderLinks(
        f"reader{number}@example.com", f"{LOOK.public_url}/preferences/{token}", f"{LOOK.public_url}/u/{token}"
    )


def _selection(issue: Issue, number: int) -> Selection:
    """Another list of ten for each reader."""
    chosen = [issue.papers[(number * 7 + place * 3) % len(issue.papers)] for place in range(10)]
    return Selection(tuple(Pick(ranked.paper.id, "") for ranked in chosen))


def _issue() -> Issue:
    papers = tuple(RankedPaper(rank, _paper(rank), 1.0 / rank, {"upvotes": 100.0 - rank}) for rank in range(1, 51))
    return Issue(1, "daily", NOW.date(), NOW, IssueStatus.RUNNING, "", {}, {}, 0, "", papers)


def _paper(number: int) -> Paper:
    return Paper(
        id=f"2603.{number:05}",
        title=f"Paper {number}: a title as long as titles of research papers usually are",
        summary="One sentence of a summary that says what was done, and a second that says what came of it. " * 2,
        authors=("Ada Lovelace", "Alan Turing", "Grace Hopper", "Katherine Johnson"),
        organization="An Institute of Some Renown",
        published_at=NOW - timedelta(days=2),
        url=f"https://arxiv.org/abs/2603.{number:05}",
    )


if __name__ == "__main__":
    main()
