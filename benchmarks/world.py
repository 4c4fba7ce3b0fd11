"""A world of any size: an issue's worth of made-up papers, and subscribers who each get another list of ten.

Comes in: an empty database and a number. Goes out: confirmed subscribers, and issues cut by the real `publish`.
"""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic
from typing import Any

import psycopg
from pydantic import SecretStr
from sqlalchemy import Engine

from digest import wiring
from digest.database.engine import connect, transaction
from digest.database.tables import subscribers
from digest.issues.publish import Published, publish
from digest.papers.paper import Paper, Votes
from digest.papers.store import keep_papers, keep_votes
from digest.settings import Settings
from digest.subscribers.subscriber import recipient_key

SECRET = "a-secret-of-the-benchmarks-that-opens-nothing"
PAPERS = 200
_WARM_UP = 2000  # subscribers of the previous issue, which opens the connections of every process
_DOMAINS = 20  # that subscribers' addresses belong to
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Tokyo", "Asia/Kolkata")

# Each word is in four papers or so: five match about twenty papers, of which the ten best are a subscriber's list.
_KEYWORDS = 5
_LIST = 10
NOT_CHOSEN = ("topics", "categories", "authors", "labs", "muted_topics", "muted_words")
SUBJECTS = """
    alignment attention audio autoregressive bandit bayesian benchmark bilevel calibration captioning causal chemistry
    clustering compiler compression consistency contrastive convex curriculum decoding denoising depth diffusion
    distillation distributed dynamics editing embedding encoder energy ensemble equivariant evaluation exploration
    factorization fairness federated flow forecasting fusion gaussian gating genomics geometry gradient grammar graph
    hashing hierarchical hypergraph imitation implicit indexing inference inpainting instruction interaction inverse
    kernel knowledge lattice layout likelihood localization logic long-context manifold masking matching memory mesh
    meta metric mixture modality molecular monocular motion multilingual navigation neuron normalization object operator
    optics optimal ordering parsing perception persona physics planning policy pooling pose posterior preference privacy
    probing prompt protein pruning quantization query ranking reasoning recommendation reconstruction recurrent
    registration regret relational rendering retrieval reward robot routing safety sampling scaling scene scheduling
    segmentation self-supervised semantic simulation sketch sparse spectral speech splatting stereo stochastic streaming
    structure summarization symbolic synthesis table tactile temporal tensor texture theorem token topology tracking
    transfer translation tree uncertainty unlearning variational video watermark weather
""".split()  # noqa: SIM905 - a list would take 156 lines
# Titles and summaries are as long as those of real papers: 77 and 203 characters, the medians.
_TITLE = "{0} for {1}: Learning Scalable Foundation Models with Adaptive {2}"
_SUMMARY = (
    "We study {0} together with {1} and show that treating them as one problem removes a whole stage of {2}; on six "
    "public datasets the approach is ahead of earlier work by {3} points at half of the cost."
)


def warm_up(subscribers: int) -> int:
    """Number of extra subscribers, who get the issue of the day before."""
    return min(_WARM_UP, subscribers)


def make_world(database: str, count: int, today: date) -> None:
    """Papers, subscribers 1 to `count` for the issue of `today`, and some more for that of the day before."""
    engine = connect(database)
    add_papers(engine, today)
    engine.dispose()
    add_subscribers(database, range(1, count + 1), today)
    add_subscribers(database, range(count + 1, count + warm_up(count) + 1), today - timedelta(days=1))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def fan_out_seconds(database: str, count: int, today: date) -> tuple[float, int]:
    """Seconds to cut an issue for `count` subscribers in several zones at several hours, and the number of messages."""
    spread = (
        "UPDATE subscribers SET weekdays = 127, hour = id / %(zones)s %% 24,"
        " zone = (%(names)s::text[])[1 + id %% %(zones)s] WHERE id <= %(count)s"
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(spread, {"names": list(ZONES), "zones": len(ZONES), "count": count})
        connection.execute("VACUUM FULL ANALYZE subscribers")
        connection.execute("CHECKPOINT")
    engine = connect(database)
    began = monotonic()
    candidates = cut(engine, Settings(secret_key=SecretStr(SECRET)), today).candidates
    seconds = monotonic() - began
    engine.dispose()
    return seconds, candidates


def address(number: int) -> str:
    """The address of subscriber `number`."""
    return f"reader{number}@lab{number % _DOMAINS}.example.org"


def add_papers(engine: Engine, today: date) -> None:
    """The pool, first seen on the day before yesterday."""
    seen_at = datetime.combine(today - timedelta(days=2), time(0), tzinfo=UTC) + timedelta(hours=12)
    papers = _papers(seen_at)
    votes = [Votes(paper.id, "huggingface", seen_at, PAPERS - rank) for rank, paper in enumerate(papers)]
    with transaction(engine) as connection:
        keep_papers(connection, "huggingface", seen_at, papers)
        keep_votes(connection, votes)


def add_subscribers(database: str, numbers: range, day: date, spread: bool = False) -> None:
    """Confirmed subscribers who want messages on the weekday of `day` alone; each with other keywords.

    They are due at 0:00 UTC; with `spread`, in several zones at several hours, as real ones are.
    """
    columns = [column.name for column in subscribers.columns]
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY subscribers ({', '.join(columns)}) FROM STDIN".encode()) as copy:
            for row in subscriber_rows(numbers, day, spread):
                copy.write_row([row[name] for name in columns])
        cursor.execute("SELECT setval(pg_get_serial_sequence('subscribers', 'id'), max(id)) FROM subscribers")


def cut(engine: Engine, settings: Settings, day: date) -> Published:
    """Cut the issue of `day`; its deliveries are due at once."""
    return publish(engine, replace(wiring.plan(settings), cut=time(0)), day, datetime.now(UTC))


def _papers(seen_at: datetime) -> list[Paper]:
    """Best first."""
    return [paper(number, seen_at) for number in range(PAPERS)]


def paper(number: int, seen_at: datetime) -> Paper:
    words = [SUBJECTS[(number * step + shift) % len(SUBJECTS)] for step, shift in ((1, 0), (7, 31), (11, 87))]
    return Paper(
        id=f"2603.{number:05}",
        title=_TITLE.format(*(word.title() for word in words)),
        abstract="",
        summary=_SUMMARY.format(*words, 1 + number % 9 / 10),
        authors=("Ada Lovelace", "Alan Turing", "Grace Hopper", "Katherine Johnson", "Emmy Noether"),
        organization="An Institute of Some Renown",
        categories=("cs.LG",),
        published_at=seen_at - timedelta(days=2),
        listed_at=seen_at,
        url=f"https://arxiv.org/abs/2603.{number:05}",
    )


def subscriber_rows(numbers: range, day: date, spread: bool = False) -> Iterator[dict[str, Any]]:
    """The values of subscribers, with lists as the JSON that the database stores."""
    requested_at = datetime.combine(day - timedelta(days=30), time(0), tzinfo=UTC)
    same = {
        "status": "confirmed",
        **dict.fromkeys(NOT_CHOSEN, "[]"),
        "surprise": True,
        "balance": "both",
        "full_lists": False,
        "frequency": "daily",
        "papers": _LIST,
        "weekdays": 1 << day.weekday() if not spread else 127,
        "paused_until": None,
        "language": "",
        "link_version": 0,
        "requested_at": requested_at,
        "requested_from": "",
        "form": "benchmark",
        "confirmed_at": requested_at,
        "confirmed_from": "",
        "created_at": requested_at,
        "changed_at": requested_at,
    }
    for number, words in zip(numbers, _different_interests(numbers.start), strict=False):
        email = address(number)
        yield same | {
            "id": number,
            "email": email,
            "key": recipient_key(email, SECRET.encode()),
            "keywords": json.dumps(words),
            "zone": ZONES[number % len(ZONES)] if spread else "UTC",
            "hour": number // len(ZONES) % 24 if spread else 0,
        }


def _different_interests(seed: int) -> Iterator[list[str]]:
    """Keywords, none of which lead to a list of papers that was there before, in whatever order."""
    generator, seen = random.Random(seed), set()
    texts = [f"{paper.title} {paper.summary}".casefold() for paper in _papers(datetime.now(UTC))]
    ranks = {word: {rank for rank, text in enumerate(texts) if word in text} for word in SUBJECTS}
    while True:
        words = generator.sample(SUBJECTS, _KEYWORDS)
        matching = sorted(set().union(*(ranks[word] for word in words)))[:_LIST]
        others = (rank for rank in range(PAPERS) if rank not in matching)
        papers = frozenset([*matching, *itertools.islice(others, _LIST - len(matching))])
        if papers not in seen:
            seen.add(papers)
            yield words
