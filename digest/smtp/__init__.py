"""An SMTP client: envelopes in, receipts out."""

from digest.smtp.client import Sender
from digest.smtp.window import SendObserver, Timeouts
from digest.smtp.wire import is_plain_address

__all__ = ["SendObserver", "Sender", "Timeouts", "is_plain_address"]
