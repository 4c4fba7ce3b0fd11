"""Receipts → the ledger, and what else follows from them. For the worker itself and for who replays its journal."""

import random
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from digest.ledger import sending
from digest.ledger.deliveries import Delivery
from digest.mail.delivery.outcome import next_state
from digest.smtp.envelope import Outcome, Receipt
from digest.subscribers.suppressions import SuppressionReason, suppress


def record(
    connection: Connection, worker: str, receipts: Sequence[Receipt], mails: Mapping[int, Delivery], hold: bool
) -> None:
    """Store what became of one window. `mails`: the rows as they were when claimed, by their id; a row that `worker` no
    longer holds stays as it is. `hold`: what is in doubt waits for the operator.
    """
    # When nobody's mail is taken the refusals are about us, and say nothing of the single mail.
    about_us = not any(receipt.outcome is Outcome.ACCEPTED for receipt in receipts)
    answers = []
    for receipt in receipts:
        mail = mails[receipt.delivery_id]
        dice = random.random()  # noqa: S311 - jitter
        answers.append(next_state(receipt, mail.attempts, mail.in_doubt, hold, about_us, dice))
        if receipt.outcome is Outcome.REFUSED and receipt.address_is_bad:
            said = f"{receipt.code} {receipt.text}"
            suppress(connection, mail.recipient, SuppressionReason.REFUSED, said, receipt.at)
    sending.record(connection, worker, answers)
