"""An issue: the ranked pool of one date, frozen when cut. Plain values; touches nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time

from digest.language import SOURCE, Languages, Message
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.papers.paper import RankedPaper
from digest.papers.ranking import RankingWeights

LONGEST_POOL = 30  # days; what the settings allow at most
NOT_CUT = "not cut"  # the event of a date for which there were no papers yet


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A notice in one language: paragraphs of plain text, with a blank line between them."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class IssueSettings:
    """Settings that an issue's messages depend on, and the subscribers that its cut left out; frozen at the cut."""

    title: str = ""
    public_url: str = ""
    postal_address: str = ""
    contact: str = ""
    sender: str = ""
    reply_to: str = ""
    unsubscribe_address: str = ""  # in List-Unsubscribe, with a token; "" for the web address alone
    link_key: str = ""  # name of the key that signs links; "" before issues recorded it: the newest key
    link_ends: str = ""  # "alphanumeric"; "" before links ended in letters and digits only
    dkim: tuple[str, ...] = ()  # selectors of the keys that sign
    language: str = SOURCE  # of subscribers who chose none
    pool_days: int = LONGEST_POOL  # papers first seen within this many days before the cut
    overlap_days: int = 0  # a catch-up issue reaches back this many days before a subscriber's last message
    floor: float | None = None  # papers with a lower score are not sent for their rank; None fills every list
    rules: str = ""  # by which lists are chosen (issues/selection); "" before issues recorded them
    notes: Mapping[str, str] = field(default_factory=dict)  # why the issue is thin, by language other than English
    notice: Mapping[str, NoticeText] = field(default_factory=dict)  # what a notice says, by language
    left_out: Mapping[str, int] = field(default_factory=dict)  # subscribers due without a delivery, by reason


@dataclass(frozen=True, slots=True)
class Plan:
    """The operator's decisions about issues. Messages depend on `settings`, which are frozen with the issue."""

    cut: time  # UTC
    pool_days: int
    papers: int  # the best of an issue, which its page shows
    weights: RankingWeights
    settings: IssueSettings
    languages: Languages = field(default_factory=Languages)  # of the note on why an issue is thin
    sources: Collection[str] | None = None  # that the note is about; None for all
    floor: float | None = None  # papers with a lower score are not sent for their rank; None fills every list
    about: Sequence[Message] = ()  # what its note says first
    warm_up: bool = False  # the quota of a day may be smaller than the list


@dataclass(frozen=True, slots=True)
class Issue:
    """A ranked pool and everything else that was decided at its cut."""

    id: int
    kind: str  # one of IssueKind
    date: date
    cut_at: datetime
    status: IssueStatus
    formula: str  # name and version of the ranking formula
    weights: dict[str, float]  # constants of the ranking
    settings: IssueSettings
    candidates: int  # deliveries queued at the cut; what an audit disagrees with
    note: str  # why the issue is thin or empty, in English; "" when it is neither
    papers: tuple[RankedPaper, ...]  # the best
    space_id: int | None = None  # of the affinities in its lists
    others: tuple[RankedPaper, ...] = ()  # the rest of the pool, ranked after them; read only for choosing lists
    is_shrunk: bool = False  # `others` has only papers that someone was sent: the rest was deleted
    withdrawn_at: datetime | None = None  # since when no page shows it
    finished_at: datetime | None = None  # when nothing of it waited for the first time

    @property
    def pool(self) -> tuple[RankedPaper, ...]:
        """Return all ranked papers that were read, by rank."""
        return self.papers + self.others

    @property
    def path(self) -> str:
        """Return the path of its page, after the public address of the site."""
        return f"/issues/{self.date}" + ("" if self.kind == IssueKind.DAILY else f"/{self.kind}")

    def notice_in(self, language: str) -> tuple[str, NoticeText]:
        """Return what a notice says, in the language, or else in one that its subscribers are most likely to read."""
        texts = self.settings.notice
        written = next((code for code in (language, self.settings.language, SOURCE) if code in texts), min(texts))
        return written, texts[written]

    def note_in(self, language: str) -> str:
        """Return the note in a language, in English if the issue was cut without that language."""
        return self.settings.notes.get(language, self.note)
