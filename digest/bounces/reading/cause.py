"""Causes of failed deliveries."""

from enum import StrEnum


class Cause(StrEnum):
    USER_UNKNOWN = "user unknown"
    HOST_UNKNOWN = "host unknown"
    MOVED = "moved"
    NO_MAIL = "accepts no email"
    HIDDEN = "refused without a reason"  # "user unknown" after DATA, which some filters reply
    MAILBOX_FULL = "mailbox full"
    DISABLED = "account disabled"
    AUTHENTICATION = "authentication"  # SPF, DKIM, DMARC, TLS, reverse DNS
    REPUTATION = "reputation"
    CONTENT = "content"
    RATE = "too many messages"
    POLICY = "policy"
    EXPIRED = "not delivered in time"
    NETWORK = "network"
    SYSTEM = "server fault"
    UNKNOWN = "unknown"


LASTING = frozenset({Cause.USER_UNKNOWN, Cause.HOST_UNKNOWN, Cause.MOVED, Cause.NO_MAIL})
