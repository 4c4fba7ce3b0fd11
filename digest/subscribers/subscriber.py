"""A subscriber, their preferences, and the instant at which their issue is due. Plain values; touches nothing."""

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from digest.ledger.kinds import Status

EVERY_DAY = frozenset(range(7))
WORKDAYS = frozenset(range(5))
MAX_PAPERS = 25


class Period(StrEnum):
    """A row of the counts of subscribers over time."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def first_day(self, today: date) -> date:
        """A day of the first period to count, by default."""
        return today - timedelta(days={Period.DAY: 30, Period.WEEK: 12 * 7, Period.MONTH: 365}[self])


class Frequency(StrEnum):
    """A subscriber gets each day's issue, or one that ranks the papers of a whole week."""

    DAILY = "daily"
    WEEKLY = "weekly"


class Balance(StrEnum):
    """The mix of a list: the day's best papers, or those that match the subscriber's interests and feedback."""

    BEST = "best"
    BOTH = "both"
    MINE = "mine"  # mostly
    ONLY = "only"  # their own; on a day without any there is no email


@dataclass(frozen=True, slots=True)
class Preferences:
    """A subscriber's choices. The defaults apply to people who only entered an address."""

    topics: tuple[str, ...] = ()  # slugs of papers/topics.py
    keywords: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()  # arXiv's, e.g. "cs.CL"; "cs" means all of them
    authors: tuple[str, ...] = ()  # names as papers print them
    labs: tuple[str, ...] = ()  # organisations
    muted_topics: tuple[str, ...] = ()  # slugs; these papers are never sent to them
    muted_words: tuple[str, ...] = ()
    surprise: bool = True  # adds one paper from outside their interests, labelled
    balance: Balance = Balance.BOTH
    papers: int = 10  # at most, in one issue
    full_lists: bool = False  # as many papers every day, whether or not they are worth it
    frequency: Frequency = Frequency.DAILY
    weekdays: frozenset[int] = EVERY_DAY  # 0 = Monday, as date.weekday(); one day for weekly subscribers
    zone: str = "UTC"  # IANA name
    hour: int = 7  # local, 0 to 23
    paused_until: date | None = None  # local date of the first issue after the pause
    language: str = ""  # BCP 47 tag, e.g. "zh-CN"; "" is the operator's

    @property
    def follows_something(self) -> bool:
        return bool(self.topics or self.keywords or self.categories or self.authors or self.labs)

    @property
    def may_match(self) -> bool:
        """False if no paper ever would, unless the subscriber likes some: they follow nothing and want nothing else."""
        return self.balance is not Balance.ONLY or self.follows_something

    def once_a_week(self) -> "Preferences":
        """The same with weekly issues: on the day that they already have, else on Mondays."""
        if self.frequency is Frequency.WEEKLY:
            return self
        return replace(self, frequency=Frequency.WEEKLY, weekdays=frozenset([0]))

    def paused_for(self, days: int, now: datetime) -> "Preferences":
        """The same with a pause that lasts at least this long."""
        until = now.astimezone(ZoneInfo(self.zone)).date() + timedelta(days=days)
        return replace(self, paused_until=max(until, self.paused_until or until))


@dataclass(frozen=True, slots=True)
class Consent:
    """Proof that a subscriber asked for these messages (GDPR Art. 7); the fields are columns.

    A new request starts without a confirmation: that of an earlier request does not confirm it.
    """

    requested_at: datetime
    requested_from: str  # keyed hash of the client's address
    form: str  # which form and version of its text
    confirmed_at: datetime | None = None
    confirmed_from: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A subscriber as the receiver of a message, whose links contain `id`."""

    id: int
    email: str
    status: Status
    preferences: Preferences
    link_version: int = field(default=0, kw_only=True)  # how often they have revoked their links


@dataclass(frozen=True, slots=True)
class Subscriber(Recipient):
    """Everything stored about an address that asked to subscribe. The ledger refers to it by `key`."""

    key: str  # recipient_key() of the address
    consent: Consent
    created_at: datetime
    changed_at: datetime = field(compare=False)


def recipient_key(email: str, secret: bytes) -> str:
    """Return the keyed hash of a normalised address, by which the ledger and suppressions refer to it: 32 hex digits.

    It reveals no address, so it is kept after a deletion: signing up again yields no second copy of an issue.
    """
    return hmac.digest(secret, b"recipient\0" + email.casefold().encode(), hashlib.sha256).hex()[:32]


def event_subject(key: str) -> str:
    return f"subscriber:{key}"


def local_day(issue_date: date, cut: time, zone: str, hour: int) -> date:
    """Return a subscriber's local date for the issue of `issue_date`, which is cut at `cut` UTC.

    It is the first date whose `hour` never comes before the cut, whatever the zone's clocks do in that year. So a
    change of clocks neither skips a subscriber's day nor gives it two issues, even if `hour` is the hour of the cut.
    """
    instants = [datetime(issue_date.year, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 4, 7, 10)]
    eastmost = max(instant.utcoffset() or timedelta(0) for instant in instants)
    cut_there = datetime.combine(issue_date, cut) + eastmost
    return cut_there.date() + timedelta(days=cut_there.time() > time(hour))


def next_issue_date(preferences: Preferences, cut: time, first: date) -> date | None:
    """Return the first date, from `first` on, whose issue a subscriber gets; None if that is more than a year away."""
    for ahead in range(400):
        day = first + timedelta(days=ahead)
        local = local_day(day, cut, preferences.zone, preferences.hour)
        is_paused = preferences.paused_until is not None and local < preferences.paused_until
        if local.weekday() in preferences.weekdays and not is_paused:
            return day
    return None


def due_instant(issue_date: date, cut: time, zone: str, hour: int) -> datetime:
    """Return when an issue is due: at `hour` in `zone` on the subscriber's local_day().

    An hour that a clock change leaves out becomes the first instant after the gap; of an hour that comes twice it is
    the first. It counts from the planned cut: after a late one, issues are due at once and not a day later.
    """
    day = local_day(issue_date, cut, zone, hour)
    # In a gap zoneinfo keeps the offset from before it: 02:30 becomes 03:30 summer time, which is after the gap.
    return datetime.combine(day, time(hour), tzinfo=ZoneInfo(zone)).astimezone(UTC)
