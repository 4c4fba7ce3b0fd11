"""Personal links: whose they are, and the pages behind them in that person's language."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Response
from starlette.background import BackgroundTask

from digest import clock
from digest.database.engine import read_only
from digest.language import _
from digest.subscribers import subscriptions
from digest.subscribers.paper_feedback import has_liked
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.tokens import FEEDBACK_FOR, FRESH_FOR, TOKEN_LENGTH, Purpose, VerifiedToken, sign, verify
from digest.web.pages import Pages
from digest.web.site import EarlyAnswer, Site, TheSite


@dataclass(frozen=True, slots=True)
class PersonalLink:
    """A link that somebody opened, and the subscriber whom it was made for."""

    site: Site
    text: str
    token: VerifiedToken
    subscriber: Subscriber
    purpose: Purpose

    @property
    def is_fresh(self) -> bool:
        """True if it was emailed on request a short while ago: it opens the subscriber's data too."""
        return self.purpose is Purpose.FRESH and not self.token.has_expired(FRESH_FOR, clock.now())

    @property
    def address(self) -> str:
        """The subscriber's address as pages show it: whole behind a fresh link alone, as others may be forwarded."""
        return self.subscriber.email if self.is_fresh else shortened(self.subscriber.email)

    def is_from(self, delivery_created_at: datetime) -> bool:
        """True if the link may be in the email of a delivery, or in another that was queued in the same hour."""
        return timedelta(0) <= delivery_created_at - self.token.issued < timedelta(hours=1)

    def sign(self, purpose: Purpose, issued: datetime) -> str:
        """The token for another link of the same subscriber."""
        subscriber = self.subscriber
        return sign(purpose, subscriber.id, issued, self.site.keys, version=subscriber.link_version)

    @property
    def pages(self) -> Pages:
        """In the subscriber's language, unless the address names one."""
        return self.site.pages.speaking(self.subscriber.preferences.language)

    def reloaded(self) -> "PersonalLink":
        """The same after a change. Raises EarlyAnswer once the subscriber's data has been deleted."""
        subscriber = subscriptions.find(self.site.engine, self.subscriber.id)
        if subscriber is None:
            raise _lost(self.site)
        return replace(self, subscriber=subscriber)

    def show(self, name: str, status: int = 200, after: BackgroundTask | None = None, **values: Any) -> Response:
        """The page `name`, whose links can go on to other pages behind this link."""
        return self.pages.show(name, status, after, token=self.text, is_silent=self._is_silent(), **values)

    def _is_silent(self) -> bool:
        """True if the subscriber gets only what they follow, which is nothing."""
        if self.subscriber.preferences.may_match:
            return False
        with read_only(self.site.engine) as connection:
            return not has_liked(connection, self.subscriber.id)


def open_link(site: Site, purpose: Purpose, text: str) -> PersonalLink | None:
    """However old the link is; None for anything that no key signed, and once the subscriber's data is deleted.

    Raises EarlyAnswer for a link that the subscriber has revoked.
    """
    token = verify(purpose, text, site.keys)
    subscriber = subscriptions.find(site.engine, token.subscriber_id) if token else None
    if token is None or subscriber is None:
        return None
    link = PersonalLink(site, text[:TOKEN_LENGTH], token, subscriber, purpose)
    if token.version != subscriber.link_version and purpose is not Purpose.UNSUBSCRIBE:
        title, words = (
            _("This link has been turned off"),
            _("Nothing has changed. Use the links in a more recent email."),
        )
        raise EarlyAnswer(link.pages.say(title, words, status=410))
    return link


def shortened(email: str) -> str:
    """`ada@example.org` as `a…@example.org`: enough for its owner to recognize it."""
    name, _at, domain = email.rpartition("@")
    return f"{name[:1]}…@{domain}"


def feedback_link(site: TheSite, token: str) -> PersonalLink:
    """Raises EarlyAnswer with the page that says why the link opens nothing.

    Such a token is for one subscriber, not for one paper: whoever has it can give feedback on any paper of the archive,
    which the subscriber sees and can undo, and can see the list of the email that it is from. It opens nothing else.
    """
    link = open_link(site, Purpose.FEEDBACK, token)
    if link is None:
        raise _lost(site)
    return _unless_expired(link)


def _unless_expired(link: PersonalLink) -> PersonalLink:
    if link.token.has_expired(FEEDBACK_FOR, clock.now()):
        title, words = _("This link has expired"), _("Nothing has changed. Use the links in a more recent email.")
        raise EarlyAnswer(link.pages.say(title, words, status=410))
    return link


def _fresh_or_feedback_link(site: TheSite, token: str) -> PersonalLink:
    """A feedback link, or one that was emailed on request lately."""
    link = open_link(site, Purpose.FEEDBACK, token) or open_link(site, Purpose.FRESH, token)
    if link is None or (link.purpose is Purpose.FRESH and not link.is_fresh):
        raise _lost(site)
    return _unless_expired(link)


def _link_for(purpose: Purpose) -> Callable[[Site, str], PersonalLink]:
    """A dependency that opens links of one purpose, however old they are."""

    def opened(site: TheSite, token: str) -> PersonalLink:
        link = open_link(site, purpose, token)
        if link is None:
            raise _lost(site)
        return link

    return opened


def _manage_link(site: TheSite, token: str) -> PersonalLink:
    link = open_link(site, Purpose.MANAGE, token) or open_link(site, Purpose.FRESH, token)
    if link is None:
        raise _lost(site)
    return link


def unsubscribe_link(site: TheSite, token: str) -> PersonalLink | None:
    """None once the subscriber's data is deleted. Raises EarlyAnswer for a damaged link: they are still subscribed."""
    link = open_link(site, Purpose.UNSUBSCRIBE, token)
    if link is None:
        verified(site, token)
    return link


def verified(site: Site, token: str) -> VerifiedToken:
    """The content of a link to unsubscribe. Raises EarlyAnswer for a damaged link: they are still subscribed."""
    content = verify(Purpose.UNSUBSCRIBE, token, site.keys)
    if content is None:
        raise _lost(site)
    return content


TO_PREFERENCES = (("/manage", _("Email me my link")),)


def say_done(
    pages: Pages,
    heading: str,
    *paragraphs: str,
    more: Sequence[tuple[str, str]] = (),
    after: BackgroundTask | None = None,
) -> Response:
    """A page that reports a success. `more`: pairs of a path and the words of a link to it."""
    return pages.show("message", after=after, heading=heading, paragraphs=paragraphs, more=more, is_done=True)


def _lost(site: Site) -> EarlyAnswer:
    return EarlyAnswer(site.pages.show("lost", 404))


FeedLink = Annotated[PersonalLink, Depends(_link_for(Purpose.FEED))]
FeedbackLink = Annotated[PersonalLink, Depends(feedback_link)]
FreshOrFeedbackLink = Annotated[PersonalLink, Depends(_fresh_or_feedback_link)]
ListLink = Annotated[PersonalLink, Depends(_link_for(Purpose.LIST))]
ManageLink = Annotated[PersonalLink, Depends(_manage_link)]
UnsubscribeLink = Annotated[PersonalLink | None, Depends(unsubscribe_link)]
