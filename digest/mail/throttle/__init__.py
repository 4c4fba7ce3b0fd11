"""Decides if messages may be sent now, and how fast."""

from digest.mail.throttle.limits import Limits
from digest.mail.throttle.rates import Rates
from digest.mail.throttle.responses import is_evidence
from digest.mail.throttle.throttle import MAX_WAIT, Throttle, next_window_size
from digest.mail.throttle.warm_up import sent_on

__all__ = ["MAX_WAIT", "Limits", "Rates", "Throttle", "is_evidence", "next_window_size", "sent_on"]
