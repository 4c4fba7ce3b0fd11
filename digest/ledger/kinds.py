"""The kinds of message, the states of a delivery, and the reasons not to send one. The words are stored."""

from enum import StrEnum


class IssueKind(StrEnum):
    """What an issue ranks. The words stand in the database."""

    DAILY = "daily"  # the papers of the last days
    WEEKLY = "weekly"  # a whole week anew, for those who get one mail a week
    CATCH_UP = "catch-up"  # the last weeks, for those who come back from a pause


class IssueStatus(StrEnum):
    """Paused issues keep their queue; cancelled ones let it expire."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class Status(StrEnum):
    """Where a reader stands; only confirmed ones are mailed issues."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


class Kind(StrEnum):
    """What a mail is for. With the occasion and the recipient it names exactly one mail, ever."""

    DIGEST = "digest"
    WEEKLY = "weekly"
    CATCH_UP = "catch-up"  # in the place of a digest or a weekly, after a pause
    CONFIRMATION = "confirmation"
    ALREADY = "already"  # somebody signed up an address that is confirmed
    LINK = "link"  # "mail me my link"
    GOODBYE = "goodbye"  # after an unsubscription on a page of ours


OF_ISSUE = {"daily": Kind.DIGEST, "weekly": Kind.WEEKLY, "catch-up": Kind.CATCH_UP}  # by the kind of the issue
ISSUE_OF = {mail: issue for issue, mail in OF_ISSUE.items()}
LISTED = frozenset(OF_ISSUE.values())  # what goes to the list; the others answer one person


class State(StrEnum):
    """Where a delivery stands. An `uncertain` one may have arrived; it waits like a queued one until it is overdue."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    UNCERTAIN = "uncertain"


class SkipReason(StrEnum):
    """Why a delivery that was due was not made. The words are stored in the ledger and shown by `digest audit`."""

    NOTHING_NEW = "nothing new"  # the reader already got everything that the issue holds, or muted it
    EMPTY_ISSUE = "empty issue"
    UNSUBSCRIBED = "unsubscribed"
    PAUSED = "paused by the reader"
    SUPPRESSED = "suppressed"
    CANCELLED = "issue cancelled"
    ERASED = "erased"
    CHANGED = "no longer asked for"  # e.g. a confirmation for an address that has confirmed meanwhile
