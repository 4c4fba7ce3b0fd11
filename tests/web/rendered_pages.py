"""A site that has something to show on every page, and the list of its pages."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, update

from digest.database.engine import transaction
from digest.database.tables import deliveries
from digest.issues.selection import Pick, Pool, Selection, packed_selection
from digest.issues.store import issue_by_id, newest_issue
from digest.ledger.outbox import CHOSEN_TYPES
from digest.monitoring.webhooks.endpoints import add as add_endpoint
from digest.run.processes import free_port
from digest.subscribers.address_change.asking import NewRequest, request_change
from digest.subscribers.address_change.change import AddressChange
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.tokens import Purpose, sign
from digest.web.server import serving_options
from tests.support.scenario import PLAN, add_papers, cut
from tests.web.conftest import SECRET, START, Visit

WRONG = {
    "papers": "0",
    "hour": "x",
    "zone": "x",
    "keywords": "x",
    "frequency": "x",
    "pause": "x",
    "topics": "x",
    "balance": "x",
}
TITLES = (
    "Attention, quantization and a title that is so long that it needs three lines on the screen of a small telephone",
    "نماذج اللغة الكبيرة",
    "大规模语言模型的稀疏注意力",
    "<b>Bold</b> claims & other “entities” in ‖x‖₂ ≤ ε",
)


def fill(engine: Engine, best: int = PLAN.papers) -> None:
    """Papers of odd kinds, and the issues of three days, the newest of START, whose pages show their `best`."""
    for back in (2, 1, 0):
        morning = START - timedelta(days=back, hours=4)
        first = 100 * back
        add_papers(engine, range(first, first + 30), seen_at=morning, listed_at=morning)
        for number, title in enumerate(TITLES, start=first):
            add_papers(
                engine,
                range(number, number + 1),
                seen_at=morning,
                listed_at=morning,
                title=title,
                organization="A laboratory",
                code_url="https://github.com/example/code",
            )
        cut(engine, START.date() - timedelta(days=back), morning, replace(PLAN, papers=best))
    with transaction(engine) as connection:
        add_endpoint(connection, "https://hooks.example.org/", CHOSEN_TYPES, "", START)


TODAY = START.date()


def places(visit: Visit, day: date = TODAY) -> dict[str, str]:
    """Every kind of page by its name: the path that shows it to a subscriber."""
    subscriber = visit.subscribed()
    visit.browser.post("/subscribe", data={"email": "pending@example.org"})
    pending = visit.subscriber("pending@example.org")
    return {
        "front": "/",
        "issues": "/issues",
        "issue": f"/issues/{day}",
        "paper": "/papers/2603.00000",
        "manage": "/manage",
        "choosing": "/how-papers-are-chosen",
        "privacy": "/privacy",
        "sample email": "/sample-email",
        "confirm": f"/confirm/{visit.token(Purpose.CONFIRM, pending)}",
        "preferences": f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}",
        "welcome": f"/my/{visit.token(Purpose.MANAGE, subscriber)}/welcome",
        "next email": f"/my/{visit.token(Purpose.MANAGE, subscriber)}/next-email",
        "own data": f"/preferences/{visit.token(Purpose.FRESH, subscriber)}",
        "change of address": f"/address/{visit.token(Purpose.FRESH, subscriber)}",
        "old address": f"/address/old/{ask_to_change(visit, subscriber)}",
        "unsubscribe": f"/u/{visit.token(Purpose.UNSUBSCRIBE, subscriber)}",
        "taste": f"/feedback/{visit.token(Purpose.FRESH, subscriber)}",
        "feedback": f"/feedback/{visit.token(Purpose.FEEDBACK, subscriber)}/more/2603.00000",
        "sent": f"/feedback/{visit.token(Purpose.FEEDBACK, subscriber)}/issues/{send_list(visit)}",
        "saved list": f"/list/{visit.token(Purpose.LIST, subscriber)}",
        "topics": "/topics",
        "topic": "/topics/efficiency",
        "search": "/search?q=attention",
        "empty search": "/search",
        "unknown paper": "/papers/2405.17247",
        "lost": "/confirm/nobody",
        "nothing": "/nothing",
    }


def ask_to_change(visit: Visit, subscriber: Subscriber) -> str:
    """The token with which a change of address is confirmed at the old one."""
    new = NewRequest("ada@new.example", START, "", "test")
    change = request_change(visit.engine, subscriber.id, new, SECRET.encode())
    assert isinstance(change, AddressChange)
    return sign(Purpose.OLD_ADDRESS, change.id, START, [SECRET.encode()])


def send_list(visit: Visit, papers: int = 3, subscriber: Subscriber | None = None) -> date:
    """As if the mail of the newest issue had gone to the subscriber, with its first papers; the date of that issue."""
    recipient = subscriber or visit.subscriber()
    with transaction(visit.engine) as connection:
        newest = newest_issue(connection)
        assert newest is not None
        issue = issue_by_id(connection, newest.id, whole=True)
        picks = tuple(Pick(one.paper.id, "“attention”") for one in issue.pool[:papers])
        sent = {"state": "accepted", "picks": packed_selection(Selection(picks, 0), Pool(issue).ranks)}
        mails = update(deliveries).where(deliveries.c.recipient == recipient.key, deliveries.c.issue_id == issue.id)
        assert connection.execute(mails.values(sent)).rowcount == 1
    return issue.date


def in_chinese(pages: dict[str, str]) -> list[str]:
    """The same pages in Chinese."""
    return [f"{path}{'&' if '?' in path else '?'}lang=zh-CN" for path in pages.values()]


@contextmanager
def serving(app: FastAPI, **changed: Any) -> Iterator[str]:
    """The app behind a real port of this machine, with other options of uvicorn where given; its address."""
    port = free_port()
    options = serving_options() | changed
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, lifespan="off", **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the site does not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
