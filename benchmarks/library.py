"""Times a library from its upload until the next list leans on it, with real processes.

`python -m benchmarks.library --data DIR [--entries N] [--kill] [--keep] [--json]` starts PostgreSQL with fsync,
`digest web` and `digest scheduler`. DIR holds arxiv/ and hf/. A .bib of N recorded papers on robots (40 % with an arXiv
number, 20 % with a DOI elsewhere, 30 % by title alone, 10 % that nobody knows) is uploaded over HTTP. A server answers
in place of arXiv and Crossref, in half a second, from the same records; as it is not on this machine's usual address,
the client keeps the pauses that the real ones ask for. Then an issue of a recorded week is cut and a list is chosen.
--kill kills the scheduler (-9) while the library is looked up, and starts it again.

Prints the seconds from the upload until everything is looked up, until there is a profile, and until a list is chosen;
the requests and how many named something that an earlier one had named; and papers in the list that are like the
library. Exits with 1 if that takes more than two minutes (without --kill), an entry is left, or no paper of the list is
like it.
"""

import argparse
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import httpx2
from sqlalchemy import Engine, func, select

from benchmarks import world
from benchmarks.command import command, run
from benchmarks.installation import Installation, own_folder, progress, settings
from benchmarks.library_tasks import ListedPaper, read_lists
from benchmarks.servers import running_postgres
from benchmarks.timed import RoundFailed
from digest.clock import now
from digest.database.engine import connect, read_only, transaction
from digest.database.tables import deliveries, library_entries, profiles
from digest.issues.selection import IssueCache, Selection, histories, papers_for
from digest.language import Languages
from digest.ledger.deliveries import find
from digest.ledger.kinds import Kind
from digest.papers.paper import Paper, Votes
from digest.papers.store import keep_papers, keep_votes
from digest.run import processes
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.tokens import Purpose, sign
from tests.support.replay import Replay, Reply, json_reply, replaying
from tests.support.scenario import add_subscriber

_SUBJECT = re.compile(r"robot|humanoid|dexterous|vision-language-action", re.IGNORECASE)
_WEEK = (date(2026, 5, 14), date(2026, 5, 21))  # of the papers in the archive, which the issue is cut from
_MOST_SECONDS = 120.0
_ANSWER_SECONDS = 0.5
_ADDRESS = "127.0.0.2"  # requests to 127.0.0.1 keep no pauses
_ENTRY = (
    '<entry><id>http://arxiv.org/abs/{0}v1</id><title>{1}</title><summary>{2}</summary><category term="cs.RO"/></entry>'
)


class Catalogues(Replay):
    """arXiv and Crossref with the papers of the library."""

    def __init__(self, data: Path | None = None) -> None:
        super().__init__(data)
        self.papers: dict[str, ListedPaper] = {}

    def reply(self, target: str) -> Reply:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/works":
            dois = [name.removeprefix("doi:") for name in query["filter"].split(",")]
            works = [_work(doi, self.papers.get(doi.partition("/")[2])) for doi in dois]
            return _slow(json_reply({"message": {"items": [work for work in works if work]}}))
        if parts.path != "/api/query":
            return super().reply(target)
        numbers, phrases = (
            query.get("id_list", "").split(","),
            re.findall(r'ti:"([^"]+)"', query.get("search_query", "")),
        )
        found = [self.papers[number] for number in numbers if number in self.papers]
        found += [paper for paper in self.papers.values() if any(_words(paper.title).startswith(p) for p in phrases)]
        entries = "".join(_ENTRY.format(p.id, escape(p.title), escape(p.abstract)) for p in found[:100])
        return _slow(Reply(f'<feed xmlns="http://www.w3.org/2005/Atom">{entries}</feed>'.encode()))

    def repeated(self) -> int:
        """Return how many numbers, DOIs and titles were asked for after they had been."""
        named = Counter[str]()
        for target, _headers in self.asked:
            query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
            named.update(filter(None, query.get("id_list", "").split(",")))
            named.update(filter(None, query.get("search_query", "").split(" OR ")))
            named.update(filter(None, query.get("filter", "").split(",")))
        return sum(times - 1 for times in named.values())


def _slow(reply: Reply) -> Reply:
    reply.silent_seconds = _ANSWER_SECONDS
    return reply


def _work(doi: str, paper: ListedPaper | None) -> dict[str, Any] | None:
    if paper is None:
        return None
    return {"DOI": doi, "title": [paper.title], "abstract": f"<jats:p>{escape(paper.abstract)}</jats:p>"}


def _words(title: str) -> str:
    return " ".join(re.findall(r"\w+", title))


@dataclass
class Site:
    """The installation, its database, and the subscriber."""

    installation: Installation
    engine: Engine
    subscriber: Subscriber

    def upload(self, content: bytes) -> None:
        """Post the form with a file, as a browser does."""
        key = [str(self.installation.settings["secret_key"]).encode()]
        token = sign(Purpose.MANAGE, self.subscriber.id, now(), key, version=self.subscriber.link_version)
        base = f"http://{processes.LOOPBACK}:{self.installation.settings['web_port']}"
        files = {"file": ("my.bib", content)}
        answer = httpx2.post(f"{base}/library/{token}", data={"action": "add"}, files=files, timeout=30)
        answer.raise_for_status()

    def states(self) -> dict[str, int]:
        """Return the number of entries in each state."""
        query = select(library_entries.c.state, func.count()).group_by(library_entries.c.state)
        with read_only(self.engine) as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}

    def is_looked_up(self) -> bool:
        return not self.states().get("waiting")

    def has_profile(self) -> bool:
        with read_only(self.engine) as connection:
            return bool(connection.scalar(select(func.max(profiles.c.from_library))))

    def like_the_library(self, day: date) -> int:
        """Cut an issue, choose the subscriber's list, and return how many of its papers are like their library."""
        issue_id = world.cut(self.engine, self.installation.read_settings(), day).issue_id
        cache = IssueCache(self.engine, Languages())
        with read_only(self.engine) as connection:
            delivery = find(connection, Kind.DIGEST, day, self.subscriber.key)
            if delivery is None:
                raise RoundFailed(f"no message is queued: {connection.scalar(select(func.count(deliveries.c.id)))}")
            history = histories(connection, "", [delivery], cache.get)[delivery.id]
        chosen = papers_for(cache.get(issue_id), self.subscriber.preferences, history)
        return sum("in your library" in pick.why for pick in chosen.picks) if isinstance(chosen, Selection) else 0


def main() -> None:
    """Run the benchmark and print what it measured."""
    parser = command("library", __doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder with arxiv/ and hf/")
    parser.add_argument("--entries", type=int, default=200, help="entries of the .bib (200)")
    parser.add_argument("--kill", action="store_true", help="kill the scheduler in between")
    run(parser.parse_args(), _measure, _keeps)


def _keeps(results: dict[str, Any]) -> bool:
    in_time = results["killed"] or results["seconds_until_list"] <= _MOST_SECONDS
    return bool(in_time and not results["waiting"] and results["like_the_library"] and not results["asked_too_often"])


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    arxiv, hf = read_lists(options.data)
    everything = {paper.id: paper for paper in (*arxiv.papers, *hf.papers)}
    listed = [paper for paper in everything.values() if _WEEK[0] <= paper.day < _WEEK[1]]
    about = [paper for paper in everything.values() if paper.day < date(2026, 5, 1) and _SUBJECT.search(paper.title)]
    library = random.Random(7).sample(about, options.entries)
    with running_postgres() as postgres, own_folder(options.keep) as folder, _catalogues(library) as catalogues:
        database = postgres.make("library")
        # Nothing else is read, and no mail server is asked.
        own = settings(folder, database, "", 9, web_port=processes.free_port(), crossref_url=catalogues.url)
        installation = Installation(folder, own | {"arxiv_url": catalogues.url, "zotero_url": catalogues.url})
        engine = connect(database)
        try:
            _fill(engine, listed)
            site = Site(installation, engine, add_subscriber(engine, "ada@example.org", datetime.now(UTC)))
            installation.start("web", "web")
            installation.start("scheduler", "scheduler")
            port = own["web_port"]
            if not processes.wait_until(lambda: processes.answers(port), seconds=180):
                raise RoundFailed("the site does not start")
            return _time(site, _bib(library), options.kill, catalogues)
        finally:
            installation.stop()
            engine.dispose()


def _time(site: Site, bib: bytes, kill: bool, catalogues: Catalogues) -> dict[str, Any]:
    began = time.monotonic()
    site.upload(bib)
    uploaded = time.monotonic() - began
    if kill:
        _wait("something is looked up", lambda: 0 < site.states().get("waiting", 0) < sum(site.states().values()))
        site.installation.programs["scheduler"].send_signal(signal.SIGKILL)
        site.installation.programs["scheduler"].wait()
        progress(f"killed with {site.states()}")
        site.installation.start("scheduler", "scheduler")
    _wait("everything is looked up", site.is_looked_up)
    looked_up = time.monotonic() - began
    _wait("there is a profile", site.has_profile)
    profiled = time.monotonic() - began
    like = site.like_the_library(datetime.now(UTC).date())
    repeated = catalogues.repeated()
    return {
        "seconds_of_upload": round(uploaded, 1),
        "seconds_until_looked_up": round(looked_up, 1),
        "seconds_until_profile": round(profiled, 1),
        "seconds_until_list": round(time.monotonic() - began, 1),
        "requests": len(catalogues.asked),
        "asked_again": repeated,
        "asked_too_often": repeated > (100 if kill else 0),
        "like_the_library": like,
        "killed": kill,
    } | {state: site.states().get(state, 0) for state in ("matched", "missing", "waiting")}


def _wait(what: str, is_true: Callable[[], bool]) -> None:
    if not processes.wait_until(is_true, seconds=600):
        raise RoundFailed(f"in ten minutes it did not happen that {what}")


def _catalogues(library: Sequence[ListedPaper]) -> Any:
    known = {paper.id: paper for paper in library[: len(library) * 9 // 10]}

    class Known(Catalogues):
        def __init__(self, data: Path | None = None) -> None:
            super().__init__(data)
            self.papers = known

    return replaying(kind=Known, host=_ADDRESS)


def _bib(library: Sequence[ListedPaper]) -> bytes:
    lines = []
    for number, paper in enumerate(library):
        share, title = number / len(library), re.sub(r"[{}\\\s]+", " ", paper.title)
        fields = f"title = {{{title}}}"
        if share < 0.4:
            fields += f", eprint = {{{paper.id}}}, archivePrefix = {{arXiv}}"
        elif share < 0.6:
            fields += f", doi = {{10.5555/{paper.id}}}"
        lines.append(f"@article{{key{number}, {fields}}}\n")
    return "".join(lines).encode()


def _fill(engine: Engine, listed: Sequence[ListedPaper]) -> None:
    """Put the week's papers into the archive, as seen two days ago, with some votes."""
    seen_at = datetime.now(UTC) - timedelta(days=2)
    papers = [
        Paper(paper.id, paper.title, paper.abstract, authors=tuple(sorted(paper.authors)), listed_at=seen_at)
        for paper in listed
    ]
    votes = [
        Votes(paper.id, "huggingface", seen_at, 50 if number % 20 == 0 else 0) for number, paper in enumerate(papers)
    ]
    with transaction(engine) as connection:
        keep_papers(connection, "huggingface", seen_at, papers)
        keep_votes(connection, votes)


if __name__ == "__main__":
    main()
