"""An archive as large as that of a year: made-up papers as long as real ones, votes over days, and their issues.

Comes in: an empty database and a number. Goes out: papers kept by `keep_papers`, issues cut by `publish`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import quote

from pydantic import SecretStr
from sqlalchemy import Engine, insert

from benchmarks import world
from digest import wiring
from digest.database.engine import connect, transaction
from digest.database.tables import subscribers
from digest.issues.publish import publish
from digest.papers.paper import Paper, Votes
from digest.papers.search import store_similar_papers
from digest.papers.store import keep_papers, keep_votes
from digest.settings import Settings

PAPERS_A_DAY = 200
_LOOKS = 8  # at the votes of a paper, six hours apart
_CATEGORIES = ("cs.LG", "cs.CL", "cs.CV", "cs.AI", "cs.RO", "cs.IR", "cs.SD", "cs.CR", "cs.SE", "stat.ML", "eess.AS")
_GIVEN = ("Ada", "Alan", "Grace", "Katherine", "Emmy", "Wei", "Mei", "Hao", "Priya", "Fatima", "Omar", "Luca", "Yuki")
_FAMILY = (
    "Lovelace",
    "Turing",
    "Hopper",
    "Johnson",
    "Zhang",
    "Wang",
    "Li",
    "Kumar",
    "Hassan",
    "Rossi",
    "Müller",
    "Kim",
)
_LINKS = ("with", "for", "under", "through", "beyond", "without", "against", "and", "in", "from")
_SENTENCE = (
    "We study {} together with {} and show that {} {} removes a stage of {}, which makes {} cheaper by {} points. "
)
_SEARCHED = 200  # queries


@dataclass(frozen=True)
class Archive:
    """A database with `papers` papers; issues are cut day by day, and the last days are left to be cut later."""

    database: str
    papers: int
    today: date

    @property
    def days(self) -> list[date]:
        count = self.papers // PAPERS_A_DAY
        return [self.today - timedelta(days=back) for back in range(count - 1, -1, -1)]

    def fill(self, uncut: int) -> list[date]:
        """Keep all papers and cut the issues of all days but the last `uncut`. Returns the days that have one."""
        engine = connect(self.database)
        for number, day in enumerate(self.days):
            _add_day(engine, range(number * PAPERS_A_DAY, (number + 1) * PAPERS_A_DAY), day)
        days = self.days[: len(self.days) - uncut]
        for day in days:
            self.cut(day)
        store_similar_papers(engine, datetime.now(UTC))
        engine.dispose()
        return days

    def cut(self, day: date) -> None:
        """Cut the issue of `day`, as at one o'clock of that day."""
        engine, settings = connect(self.database), Settings(secret_key=SecretStr(world.SECRET))
        plan = replace(wiring.plan(settings), cut=time(0))
        publish(engine, plan, day, datetime.combine(day, time(1), tzinfo=UTC))
        engine.dispose()

    def add_subscribers(self, numbers: range, paused: bool) -> None:
        """Confirmed subscribers; `paused` for long, or due with the issue of today."""
        engine = connect(self.database)
        same: dict[str, object] = {name: [] for name in (*world.NOT_CHOSEN, "keywords")}
        same |= {"paused_until": date(2100, 1, 1) if paused else None}
        with transaction(engine) as connection:
            rows = world.subscriber_rows(numbers, self.today)
            connection.execute(insert(subscribers), [row | same for row in rows])
        engine.dispose()


def paper_paths(papers: int) -> list[str]:
    return [f"/papers/{_id(number)}" for number in range(papers)]


def queries(papers: int) -> list[str]:
    """Addresses of searches: one word, two words, a phrase, an author, an id."""
    chance, found = random.Random(200), []
    for number in range(_SEARCHED):
        words = chance.sample(world.SUBJECTS, 3)
        author = f"{chance.choice(_GIVEN)}+{chance.choice(_FAMILY)}"
        found.append((words[0], f"{words[1]}+{words[2]}", f'"{words[0]}+{words[1]}"', author, _id(number))[number % 5])
    return [f"/search?q={quote(text, safe='+')}" for text in found[: max(1, min(papers, _SEARCHED))]]


def queries_for_ids(papers: int) -> list[str]:
    """Those of queries() that lead on to the page of a paper."""
    return queries(papers)[4::5]


def mixed_up(paths: Sequence[str], start: int) -> list[str]:
    """The paths far apart from their neighbours, from the one at `start` on."""
    step = next(step for step in (7919, 101, 7, 1) if len(paths) % step)
    return [paths[(start + step * place) % len(paths)] for place in range(len(paths))]


def _add_day(engine: Engine, numbers: range, day: date) -> None:
    """Papers first seen at noon of the day before, with votes up to the cut and later."""
    seen_at = datetime.combine(day - timedelta(days=1), time(12), tzinfo=UTC)
    with transaction(engine) as connection:
        keep_papers(connection, "huggingface", seen_at, [_paper(number, seen_at) for number in numbers])
        keep_votes(connection, [votes for number in numbers for votes in _votes(number, seen_at)])


def _paper(number: int, seen_at: datetime) -> Paper:
    chance = random.Random(number)
    words = chance.choices(world.SUBJECTS, k=60)
    sentences = [_SENTENCE.format(*_with_link(chance, words[at : at + 6])) for at in range(0, 60, 6)]
    names = [f"{chance.choice(_GIVEN)} {chance.choice(_FAMILY)}" for _ in range(chance.randint(3, 9))]
    return replace(
        world.paper(number, seen_at),
        id=_id(number),
        title=f"{' '.join(words[:3])} {chance.choice(_LINKS)} {' '.join(words[3:7])}".title(),
        abstract="".join(sentences).strip(),
        authors=tuple(dict.fromkeys(names)),
        categories=(chance.choice(_CATEGORIES), chance.choice(_CATEGORIES)),
        url=f"https://huggingface.co/papers/{_id(number)}",
    )


def _with_link(chance: random.Random, words: Sequence[str]) -> list[str]:
    return [*words[:2], words[2], chance.choice(_LINKS), *words[4:], str(chance.randint(1, 99) / 10)]


def _votes(number: int, seen_at: datetime) -> list[Votes]:
    chance, most = random.Random(number), int(random.Random(-number).paretovariate(0.9))
    looks = [seen_at + timedelta(hours=6 * look) for look in range(_LOOKS)]
    counts = [min(most, 500) * (look + 1) // _LOOKS + chance.randint(0, 1) for look in range(_LOOKS)]
    return [Votes(_id(number), "huggingface", at, max(counts[: look + 1])) for look, at in enumerate(looks)]


def _id(number: int) -> str:
    return f"2603.{number:05}"
