"""Destinations: how many subscribers each has, how its servers reply, and what limits sending to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from digest.ledger.kinds import Status
from digest.ledger.replies import NAMED_DOMAINS, OTHER, ReplyClass, named_destinations, replies_since
from digest.mail.throttle.limits import Limits
from digest.monitoring.surroundings import PauseStatus, read_pauses
from digest.subscribers.growth import is_quick_to_count, largest_domains
from digest.subscribers.store import count_by_status


@dataclass(frozen=True, slots=True)
class DomainReport:
    """One destination, or OTHER for all that are not named."""

    domain: str
    subscribers: int  # confirmed
    rate: float  # the operator's limit in messages a second; 0: none
    replies: Mapping[ReplyClass, int] = field(default_factory=dict)
    pause: PauseStatus | None = None

    @property
    def is_others(self) -> bool:
        return self.domain == OTHER


def domains(connection: Connection, limits: Limits, now: datetime, days: int) -> list[DomainReport]:
    """The domains with the most subscribers, paused ones, and the rest in one; replies of the last `days`, today's
    among them.

    Replies are counted by name only for domains that had one at the time (ledger/replies.py).
    """
    confirmed = count_by_status(connection).get(Status.CONFIRMED, 0)
    replies = replies_since(connection, now.date() - timedelta(days=days - 1))
    pauses = {pause.domain: pause for pause in read_pauses(connection, now) if pause.domain}
    largest = _largest(connection)
    names = [*largest, *sorted((set(replies) | set(pauses)) - set(largest) - {OTHER})]
    reports = [
        DomainReport(
            name, largest.get(name, 0), limits.domain_rate(name), dict(replies.get(name, {})), pauses.get(name)
        )
        for name in names
    ]
    rest = confirmed - sum(largest.values())
    if rest > 0 or OTHER in replies:
        reports.append(DomainReport(OTHER, max(0, rest), limits.domain_rate("*"), dict(replies.get(OTHER, {}))))
    return reports


def _largest(connection: Connection) -> dict[str, int]:
    """Of few subscribers counted now, of many as the scheduler noted it; largest first."""
    if is_quick_to_count(connection):
        return dict(largest_domains(connection, NAMED_DOMAINS, 1))
    named = named_destinations(connection)
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))
