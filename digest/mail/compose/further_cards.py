"""Parts of messages beyond the fragments of an issue: cards of papers outside its best, and notices, of days without an
email and of a list that has only what its subscriber follows. Each is rendered when the first message needs it, and
stored, so that a retry is the same message.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import date

from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, select

from digest.database.dialect import in_list, insert_new
from digest.database.engine import read_only, transaction
from digest.database.tables import cards
from digest.issues.issue import Issue
from digest.mail.compose.fragments import CardFragments, card_fragments, notice_fragments
from digest.mail.compose.render import Renderer, frozen_branding
from digest.mail.message import UnfitMessage

_SINCE = "since:"  # and the first day without an email; no paper's id begins so
ONLY = "only:"  # the name of the other notice
_STORED = TypeAdapter(CardFragments)

Cards = Mapping[str, CardFragments]  # by paper id, or by name of a notice


def notice_name(since: date) -> str:
    return f"{_SINCE}{since}"


class FurtherCards:
    """The further cards of an issue in the language of `renderer`.

    With an engine, stored cards are used, and with `keep` those that are rendered are stored.
    """

    def __init__(self, issue: Issue, renderer: Renderer, engine: Engine | None = None, keep: bool = True) -> None:
        self._issue = issue
        self._renderer = renderer
        self._engine = engine
        self._keep = keep

    def get(self, names: Collection[str]) -> Cards:
        """Raises UnfitMessage for a paper without a card."""
        stored = self._stored(names)
        missing = [name for name in names if name not in stored]
        return {**stored, **self._kept(self._rendered(missing))} if missing else stored

    def _stored(self, names: Collection[str]) -> Cards:
        if self._engine is None:
            return {}
        with read_only(self._engine) as connection:
            return stored_cards(connection, self._issue.id, self._renderer.language.code, names)

    def _kept(self, rendered: Cards) -> Cards:
        if self._engine is None or not self._keep:
            return rendered
        with transaction(self._engine) as connection:
            return keep_cards(connection, self._issue.id, self._renderer.language.code, rendered)

    def _rendered(self, names: Collection[str]) -> Cards:
        issue, branding = self._issue, frozen_branding(self._issue)
        ids = [name for name in names if not name.startswith((_SINCE, ONLY))]
        days = {name: _day_in(name) for name in names if name.startswith((_SINCE, ONLY))}
        ranked = {paper.paper.id: paper for paper in issue.others if paper.paper.id in ids}
        rendered, unfit = card_fragments(issue, list(ranked.values()), branding, self._renderer)
        for paper_id in ids:
            if paper_id not in rendered:
                raise UnfitMessage(f"no card of {paper_id}: {unfit.get(paper_id, 'not in the issue')}")
        notices = {name: notice_fragments(issue, day, self._renderer) for name, day in days.items()}
        return rendered | notices


def _day_in(name: str) -> date | None:
    """Return the first day without an email in the name of a notice."""
    return None if name == ONLY else date.fromisoformat(name.removeprefix(_SINCE))


def stored_cards(connection: Connection, issue_id: int, language: str, names: Collection[str]) -> Cards:
    """The stored ones among `names`."""
    query = select(cards.c.paper_id, cards.c.content).where(
        cards.c.issue_id == issue_id, cards.c.language == language, in_list(connection, cards.c.paper_id, names)
    )
    return {name: _STORED.validate_json(content) for name, content in connection.execute(query)}


def keep_cards(connection: Connection, issue_id: int, language: str, rendered: Cards) -> Cards:
    """Store cards unless another worker was faster, and return what is stored. They never change afterwards."""
    rows = [
        {
            "issue_id": issue_id,
            "language": language,
            "paper_id": name,
            "content": json.dumps(asdict(rendered[name]), separators=(",", ":")),
        }
        for name in sorted(rendered)  # in one order, so that two workers wait for each other at most once
    ]
    connection.execute(insert_new(connection, cards), rows)
    return {**rendered, **stored_cards(connection, issue_id, language, rendered)}
