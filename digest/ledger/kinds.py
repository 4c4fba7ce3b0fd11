"""Kinds of message, states of a delivery, reasons not to send one, and what is required of each kind.

The values are stored in the database.
"""

from dataclasses import dataclass
from enum import StrEnum


class IssueKind(StrEnum):
    """The content of an issue; a notice has no ranked papers."""

    DAILY = "daily"  # the papers of the last days
    WEEKLY = "weekly"  # a whole week anew, for weekly subscribers
    CATCH_UP = "catch-up"  # the last weeks, for subscribers whose pause has ended
    NOTICE = "notice"  # no papers: what an operator tells everyone


class IssueStatus(StrEnum):
    """Paused issues keep their queue; cancelled ones let it expire."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class Status(StrEnum):
    """Of a subscription; only confirmed subscribers receive issues."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


class Kind(StrEnum):
    """The purpose of a message. A kind, an occasion and a recipient name exactly one delivery."""

    DIGEST = "digest"
    WEEKLY = "weekly"
    CATCH_UP = "catch-up"  # instead of a digest or a weekly, after a pause
    NOTICE = "notice"
    CONFIRMATION = "confirmation"
    ALREADY = "already"  # someone signed up an address that is already confirmed
    LINK = "link"  # "email me my link"
    GOODBYE = "goodbye"  # after unsubscribing on one of our pages
    OLD_ADDRESS = "old-address"  # asks the address of a subscriber whether it may be changed
    NEW_ADDRESS = "new-address"  # asks the address that a subscriber wants to change to
    ADDRESS_TAKEN = "address-taken"  # in its place, to one that has a subscription
    ADDRESS_CHANGED = "address-changed"  # tells the old address


class State(StrEnum):
    """Of a delivery. An `uncertain` one may have arrived; it waits like a queued one until it is overdue."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    UNCERTAIN = "uncertain"


class Listing(StrEnum):
    """Groups of deliveries that an audit lists row by row."""

    STUCK = "stuck"  # overdue, or waiting for the operator
    QUEUED = "queued"  # and never tried
    DEFERRED = "deferred"
    CLAIMED = "claimed"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    REFUSED = "refused"
    EXPIRED = "expired"
    QUARANTINED = "quarantined"
    SKIPPED = "skipped"


class RefusalClass(StrEnum):
    """The subject of a refusal: the second number of its enhanced code (RFC 3463)."""

    ADDRESS = "address"
    MAILBOX = "mailbox"
    POLICY = "policy"
    OTHER = "other"


CODE_SUBJECTS = {"1": RefusalClass.ADDRESS, "2": RefusalClass.MAILBOX, "7": RefusalClass.POLICY}


def code_subject(enhanced: str) -> RefusalClass:
    """The subject of an enhanced code."""
    return CODE_SUBJECTS.get(enhanced.partition(".")[2].partition(".")[0], RefusalClass.OTHER)


class FailureKind(StrEnum):
    """Kind of a failure: a message was refused, or came back after it was accepted."""

    HARD = "hard"  # the address does not exist or accepts no email at all
    SOFT = "soft"  # not this time
    COMPLAINT = "complaint"  # the recipient marked it as spam


class FailureEffect(StrEnum):
    """The change that a failure made."""

    SUPPRESSED = "suppressed"
    SECOND_LOOK = "second look"  # the address worked lately: it is suppressed if the next message fails as well
    SCORED = "scored"  # a temporary failure: enough of them suppress the address
    NONE = "none"  # the failure is not about the address, or the address is already suppressed
    HELD = "held"  # until an operator ends the freeze of automatic suppression
    DISCARDED = "discarded"  # by an operator, after a freeze


class SkipReason(StrEnum):
    """Why a due delivery was not sent, as the ledger stores it and `digest audit` shows it."""

    NOTHING_NEW = "nothing new"  # the subscriber already received or muted everything in the issue
    EMPTY_ISSUE = "empty issue"
    NOTHING_FOLLOWED = "nothing new that they follow"  # for a subscriber who wants nothing else
    TOO_FEW = "too few papers"  # worth an email; they wait for the next one
    UNSUBSCRIBED = "unsubscribed"
    PAUSED = "paused by the subscriber"
    SUPPRESSED = "suppressed"
    CANCELLED = "issue cancelled"
    ERASED = "erased"
    RESTORED = "may have been sent before a restore"  # see digest/monitoring/backup
    SENT_BEFORE = "sent to the new address before"  # by another subscription, before that address was changed to
    CHANGED = "no longer asked for"  # e.g. a confirmation of an address that has since been confirmed


class SuppressionReason(StrEnum):
    """Why an address gets no message, weakest first: a stronger reason replaces a weaker one."""

    REFUSED = "refused"  # the mail server said that the address cannot receive mail
    ASKED = "asked"  # someone else signed them up, and they want no further confirmation email
    COMPLAINED = "complained"  # they marked a message as spam
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class KindRule:
    """The ledger's rule for a kind. The last check before the wire is generated from it (sending.py)."""

    status: Status | None  # which the subscriber must have; None: any
    asks: bool = False  # for a confirmation, which unsubscribed and refused addresses get too
    issue: IssueKind | None = None  # None for a message that answers one person
    heeds_pause: bool = False


RULES = {
    Kind.DIGEST: KindRule(Status.CONFIRMED, issue=IssueKind.DAILY, heeds_pause=True),
    Kind.WEEKLY: KindRule(Status.CONFIRMED, issue=IssueKind.WEEKLY, heeds_pause=True),
    Kind.CATCH_UP: KindRule(Status.CONFIRMED, issue=IssueKind.CATCH_UP, heeds_pause=True),
    # The page where a subscriber pauses asks for the date of their first email after the pause.
    Kind.NOTICE: KindRule(Status.CONFIRMED, issue=IssueKind.NOTICE, heeds_pause=True),
    Kind.CONFIRMATION: KindRule(Status.PENDING, asks=True),
    Kind.ALREADY: KindRule(Status.CONFIRMED),
    Kind.LINK: KindRule(None),  # also to someone who has unsubscribed, who may want to delete their data
    Kind.GOODBYE: KindRule(Status.UNSUBSCRIBED),
    Kind.OLD_ADDRESS: KindRule(Status.CONFIRMED),
    Kind.NEW_ADDRESS: KindRule(Status.CONFIRMED, asks=True),
    Kind.ADDRESS_TAKEN: KindRule(Status.CONFIRMED),
    Kind.ADDRESS_CHANGED: KindRule(None),
}
ISSUE_OF = {kind: rule.issue for kind, rule in RULES.items() if rule.issue is not None}
OF_ISSUE: dict[str, Kind] = {issue: kind for kind, issue in ISSUE_OF.items()}
LISTED = tuple(sorted(ISSUE_OF))  # what goes to the list; the others answer one person
OF_CHANGES = (Kind.OLD_ADDRESS, Kind.NEW_ADDRESS, Kind.ADDRESS_CHANGED)  # each to one address of a change
WITH_PAPERS = tuple(kind for kind in LISTED if kind is not Kind.NOTICE)
