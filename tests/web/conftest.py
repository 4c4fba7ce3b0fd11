"""A site in front of a fresh database, and its visitors."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from digest.clock import now
from digest.database.engine import connect, read_only
from digest.database.tables import deliveries, form_requests, metadata
from digest.settings import Settings
from digest.subscribers import store
from digest.subscribers.subscriber import Subscriber, recipient_key
from digest.subscribers.tokens import Purpose, sign
from digest.web.app import create_app
from digest.web.personal import signup
from tests.conftest import Clock

SECRET = "a-secret-of-at-least-thirty-two-characters"
ADDRESS = "ada@example.org"
START = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@dataclass
class Visit:
    """A browser at the site, with a look behind it."""

    engine: Engine
    browser: TestClient
    hints: list[None] = field(default_factory=list)

    def token(self, purpose: Purpose, subscriber: Subscriber, issued: datetime | None = None) -> str:
        return sign(purpose, subscriber.id, issued or now(), [SECRET.encode()], version=subscriber.link_version)

    def subscriber(self, address: str = ADDRESS) -> Subscriber:
        with read_only(self.engine) as connection:
            found = store.by_key(connection, recipient_key(address, SECRET.encode()))
        assert found is not None
        return found

    def waiting_requests(self) -> int:
        """The number of requests for an email that are not carried out yet; a browser has its page before."""
        with read_only(self.engine) as connection:
            return connection.execute(select(func.count()).select_from(form_requests)).scalar_one()

    def queued(self) -> list[str]:
        """The kinds of mail in the ledger."""
        with read_only(self.engine) as connection:
            return list(connection.scalars(select(deliveries.c.kind).order_by(deliveries.c.id)))

    def subscribed(self, address: str = ADDRESS) -> Subscriber:
        """A confirmed subscriber, by way of the pages."""
        self.browser.post("/subscribe", data={"email": address})
        token = self.token(Purpose.CONFIRM, self.subscriber(address))
        assert "You’re subscribed" in self.browser.post(f"/confirm/{token}").text
        return self.subscriber(address)

    def everything(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table."""
        with read_only(self.engine) as connection:
            return {
                table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
                for table in metadata.sorted_tables
            }


@pytest.fixture(scope="session")
def filled_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with papers and issues, made once and then copied."""
    from tests.web.rendered_pages import fill

    path = Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("filled") / "filled.sqlite"))
    engine = connect(f"sqlite:///{path}")
    fill(engine)
    engine.dispose()  # which writes everything into the one file
    return path


@pytest.fixture
def filled(visit: Visit, filled_sqlite: Path) -> Visit:
    """The same site with papers and issues; on SQLite."""
    visit.engine.dispose()
    assert visit.engine.url.database
    shutil.copy(filled_sqlite, visit.engine.url.database)
    return visit


@pytest.fixture
def settings() -> Settings:
    """All browsers of a test have the same address, so the limits of sign-ups have tests of their own."""
    own = {"contact": "help@example.org", "postal_address": "1 Paper Street"}
    return Settings(secret_key=SECRET, requested_per_hour=100_000, **own)  # type: ignore[arg-type]


@pytest.fixture
def visit(engine: Engine, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visit]:
    clock.move_to(START)
    monkeypatch.setattr(signup, "ANSWER_SECONDS", 0.0)  # nobody measures the time of these answers
    hints: list[None] = []
    app = create_app(engine, settings, lambda: hints.append(None))
    with TestClient(app, base_url="http://127.0.0.1:8000") as browser:  # or each request has an event loop of its own
        yield Visit(engine, browser, hints)
