"""Sends an operator a link to sign in by email, past the ledger, so that it arrives while sending is paused."""

import structlog
from sqlalchemy import Engine

from digest import clock
from digest.database.engine import DATABASE_AWAY, transaction
from digest.ledger import events
from digest.monitoring import operators
from digest.monitoring.direct_mail import plain_message, send_directly
from digest.settings import Settings

log = structlog.get_logger()

FAILED = "a link to sign in could not be mailed"
_TEXT = """To sign in to the console of {title}, open this link within 15 minutes. It works once.

{link}

If you did not ask for it, someone else did. They have not got the link: you can ignore this message.
"""


def mail_link(engine: Engine, settings: Settings, name: str) -> str | None:
    """Mail a link to the operator. Returns the problem or ""; None if there is no such operator with an address."""
    now = clock.now()
    with transaction(engine) as connection:
        made = operators.link_to_mail(connection, name, now)
    if made is None:
        return None
    secret, address = made
    text = _TEXT.format(title=settings.title, link=f"{settings.public_url}/console/sign-in/{secret}")
    envelopes = plain_message(settings, [address], f"Sign in to the console of {settings.title}", text)
    return send_directly(settings.alarm_relays, envelopes)


def mail_requested_link(engine: Engine, settings: Settings, name: str) -> None:
    """The same for a page that has been answered: a problem is an event and a line of the log."""
    try:
        problem = mail_link(engine, settings, name)
        if problem:
            log.error(FAILED, problem=problem, operator=name)
            with transaction(engine) as connection:
                events.record_once_a_day(connection, clock.now(), "console", FAILED, {"reply": problem[:200]})
    except DATABASE_AWAY:
        log.error(FAILED, problem="the database is away")
