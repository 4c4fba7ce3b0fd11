"""A reader, what they asked for, and the instant at which they are due. Plain values; touches nothing."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from digest.ledger.kinds import Status

EVERY_DAY = frozenset(range(7))
WORKDAYS = frozenset(range(5))
MAX_PAPERS = 25


class Frequency(StrEnum):
    """Which issues a reader gets: the day's, or one that ranks a whole week anew."""

    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a reader asked for. The defaults are what somebody gets who only typed an address."""

    topics: tuple[str, ...] = ()  # slugs of papers/topics.py
    keywords: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()  # arXiv's, e.g. "cs.CL"; "cs" means all of them
    authors: tuple[str, ...] = ()  # names as they stand on papers
    labs: tuple[str, ...] = ()  # organisations
    muted_topics: tuple[str, ...] = ()  # slugs; never in this reader's mails
    muted_words: tuple[str, ...] = ()
    surprise: bool = True  # one paper from outside of what they asked for, labelled
    papers: int = 10  # at most, in one mail
    frequency: Frequency = Frequency.DAILY
    weekdays: frozenset[int] = EVERY_DAY  # 0 = Monday, as date.weekday(); of a weekly reader the one day
    zone: str = "UTC"  # IANA name
    hour: int = 7  # local, 0 to 23
    paused_until: date | None = None  # local date of the first mail after the pause
    language: str = ""  # BCP 47 tag, e.g. "zh-CN"; "" is the operator's


@dataclass(frozen=True, slots=True)
class Consent:
    """What shows that a reader asked for this mail (GDPR Art. 7); addresses of the web client are kept hashed."""

    requested_at: datetime
    requested_from: str  # keyed hash of the client's address
    form: str  # which form and version of its text
    confirmed_at: datetime | None = None
    confirmed_from: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a mail is for. `id` stands in its links."""

    id: int
    email: str
    status: Status
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class Subscriber(Recipient):
    """One address that asked to be a reader, and all that is stored of it. `key` stands in the ledger."""

    key: str  # recipient_key() of the address
    consent: Consent
    created_at: datetime
    changed_at: datetime = field(compare=False)


def recipient_key(email: str, secret: bytes) -> str:
    """The keyed hash that stands for a normalised address in the ledger and in suppressions: 32 hex digits.

    It outlives erasure, so signing up again yields no second copy of an issue, and tells nobody the address.
    """
    return hmac.new(secret, b"recipient\0" + email.casefold().encode(), hashlib.sha256).hexdigest()[:32]


def event_subject(key: str) -> str:
    """What events about the subscriber with this recipient key are recorded under."""
    return f"subscriber:{key}"


def local_day(issue_date: date, cut: time, zone: str, hour: int) -> date:
    """The reader's own date on which they get the issue of `issue_date`, which is cut at `cut` UTC.

    It is the first date whose `hour` never comes before the cut, whatever the zone's clocks do in that year. So a
    change of clocks neither skips a reader's day nor gives it two issues, also where their hour is the hour of the cut.
    """
    tz = ZoneInfo(zone)
    eastmost = max(_offset(tz, issue_date.year, month) for month in (1, 4, 7, 10))
    cut_there = datetime.combine(issue_date, cut) + eastmost
    return cut_there.date() + timedelta(days=cut_there.time() > time(hour))


def due_instant(issue_date: date, cut: time, zone: str, hour: int) -> datetime:
    """When a reader is due for the issue of `issue_date` (UTC): `hour` o'clock in `zone` on their local_day().

    An hour that a clock change leaves out is the first instant after the gap; one that comes twice is the first.
    It counts from the planned cut: after a late one, readers are due at once and not a day later.
    """
    day = local_day(issue_date, cut, zone, hour)
    # In a gap zoneinfo keeps the offset from before it: 02:30 becomes 03:30 summer time, which is after the gap.
    return datetime.combine(day, time(hour), tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _offset(tz: ZoneInfo, year: int, month: int) -> timedelta:
    offset = datetime(year, month, 1, tzinfo=tz).utcoffset()
    return offset or timedelta(0)
