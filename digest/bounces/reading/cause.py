"""Causes of failed deliveries."""

from enum import StrEnum


class Cause(StrEnum):
    USER_UNKNOWN = "user unknown"
    HOST_UNKNOWN = "host unknown"
    MOVED = "moved"
    NO_MAIL = "takes no mail"
    HIDDEN = "refused without a reason"  # "user unknown" after DATA: some filters answer so
    MAILBOX_FULL = "mailbox full"
    DISABLED = "account disabled"
    FILTER = "filter of the recipient"
    AUTHENTICATION = "authentication"  # SPF, DKIM, DMARC, TLS, reverse name
    REPUTATION = "reputation"
    CONTENT = "content"
    RATE = "too many messages"
    SENDER = "sender or relay refused"
    POLICY = "policy"
    EXPIRED = "not delivered in time"
    NETWORK = "network"
    SYSTEM = "server fault"
    UNKNOWN = "unknown"


LASTING = frozenset({Cause.USER_UNKNOWN, Cause.HOST_UNKNOWN, Cause.MOVED, Cause.NO_MAIL})
