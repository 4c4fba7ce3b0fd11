"""Sends single messages to operators past the ledger: alarms, links to sign in, and tests. Needs no database."""

from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr

from digest import clock
from digest.settings import Settings
from digest.smtp import Envelope, Relay, Sender, Timeouts
from digest.text import domain_of, one_line

_TIMEOUTS = Timeouts(connect=15, command=15, final_reply=30, message=40, begin=20)
_LONGEST_SUBJECT = 150  # characters


def send_directly(relays: Sequence[Relay], envelopes: Sequence[Envelope]) -> str:
    """Send at once, and wait for the replies. Returns the problems, or ""."""
    if not relays:
        return "no mail server is set"
    with Sender(relays, connections=1, timeouts=_TIMEOUTS) as relay:
        replies = relay.send(envelopes, clock.now)
    return "; ".join(f"{reply.code or ''} {reply.text}".strip() for reply in replies if not reply.is_acceptance)


def plain_message(settings: Settings, to: Sequence[str], subject: str, text: str) -> list[Envelope]:
    """A message of plain text, for each of its recipients."""
    sender = settings.transactional_from or settings.mail_from
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = one_line(subject)[:_LONGEST_SUBJECT]
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = make_msgid(domain=domain_of(parseaddr(sender)[1]))
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5
    message.set_content(text)
    content, reverse_path = message.as_bytes(), parseaddr(settings.bounce_address or sender)[1]
    return [Envelope(number, reverse_path, address, content) for number, address in enumerate(to)]
