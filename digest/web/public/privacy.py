"""The data stored about subscribers, for how long, and the contact; true to the settings and database/tables.py."""

from email.utils import parseaddr

from fastapi import Request, Response

from digest.subscribers.subscriptions import PENDING_FOR, UNDO_WITHIN
from digest.subscribers.tokens import CONFIRM_FOR
from digest.web.site import REVALIDATED, PageRouter, TheSite, same_for_all

router = PageRouter()


@router.page("/privacy")
async def privacy(site: TheSite, request: Request) -> Response:
    """The same for everybody."""
    settings, join = site.settings, site.pages.language.join
    # Each address and server once; a message also names its server in a header.
    senders = dict.fromkeys(
        parseaddr(mailbox)[1] for mailbox in (settings.mail_from, settings.transactional_from) if mailbox
    )
    carriers = dict.fromkeys(relay.host for relay in settings.relays if not relay.is_local)
    page = site.pages.show(
        "privacy",
        senders=join(list(senders)),
        carriers=join(list(carriers)),
        suggesting=site.takes_suggestions,
        goodbye=settings.goodbye,
        confirm_hours=int(CONFIRM_FOR.total_seconds() // 3600),
        undo_minutes=int(UNDO_WITHIN.total_seconds() // 60),
        pending_days=PENDING_FOR.days,
    )
    return same_for_all(request, page, cache=REVALIDATED)
