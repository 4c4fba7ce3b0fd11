"""The data stored about subscribers, for how long, and the contact; true to the settings and database/tables.py."""

from email.utils import parseaddr

from fastapi import Response

from digest.settings import Settings
from digest.subscribers.subscriptions import PENDING_FOR, UNDO_WITHIN
from digest.subscribers.tokens import CONFIRM_FOR
from digest.web.site import PageRouter, TheSite

router = PageRouter()


@router.page("/privacy")
def privacy(site: TheSite) -> Response:
    """The same for everybody."""
    settings = site.settings
    return site.pages.show(
        "privacy",
        senders=site.pages.language.join(_senders(settings)),
        carriers=site.pages.language.join(_carriers(settings)),
        suggesting=site.takes_suggestions,
        goodbye=settings.goodbye,
        confirm_hours=int(CONFIRM_FOR.total_seconds() // 3600),
        undo_minutes=int(UNDO_WITHIN.total_seconds() // 60),
        pending_days=PENDING_FOR.days,
    )


def _senders(settings: Settings) -> list[str]:
    """The addresses that messages come from, each once."""
    mailboxes = (settings.mail_from, settings.transactional_from)
    return list(dict.fromkeys(parseaddr(mailbox)[1] for mailbox in mailboxes if mailbox))


def _carriers(settings: Settings) -> list[str]:
    """The mail servers of others; each message names them in its header too."""
    return list(dict.fromkeys(relay.host for relay in settings.relays if not relay.is_local))
