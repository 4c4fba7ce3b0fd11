"""How many mails a window holds. Pure.

Small windows bound what is marked `sending` when a worker dies with its machine, and how long a mail can be on its way
after its last check. They grow while all goes well and begin at one, as TCP and Postfix start slowly.
"""

from collections.abc import Sequence

from digest.mail.delivery.outcome import Outcome, Receipt

LARGEST = 50
_LONG, _SHORT = 1.0, 0.5  # seconds: two windows are in flight, and a mail is begun within two seconds or not at all
_TROUBLE = (Outcome.SENDER_ERROR, Outcome.NOT_ATTEMPTED)


class WindowSize:
    """The size of the next window of one worker."""

    def __init__(self) -> None:
        self.size = 1

    def learn(self, seconds: float, receipts: Sequence[Receipt]) -> None:
        """A window took so long and came to this."""
        if any(receipt.outcome in _TROUBLE for receipt in receipts):
            self.size = 1
        elif seconds > _LONG:
            self.size = max(1, self.size // 2)
        elif seconds < _SHORT:
            self.size = min(LARGEST, self.size * 2)
