"""Three demo subscribers who sign up as people do: the front page, an email, its link, a button."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from digest.ledger.kinds import Kind
from digest.run.maildir import InboxMessage, messages
from digest.run.supervisor import Supervisor

_CONFIRM_LINK = re.compile(r"https?://\S+/confirm/\S+")
_MESSAGE_SECONDS = 30.0  # for one message, which usually takes one


@dataclass(frozen=True, slots=True)
class DemoSubscriber:
    """`preferences` are fields of the form on the confirmation page."""

    email: str
    preferences: Mapping[str, str | list[str]] = field(default_factory=dict)
    summary: str = ""


SUBSCRIBERS = (
    DemoSubscriber("ada@example.com", {}, "only an address"),
    DemoSubscriber(
        "grace@example.com",
        {"topics": ["language-models", "agents"], "keywords": "reasoning", "papers": "5"},
        "5 papers, language models and agents first",
    ),
    DemoSubscriber(
        "katherine@example.com",
        {"topics": ["vision", "robotics"], "papers": "3"},
        "3 papers, vision and robotics first",
    ),
)


def sign_up(programs: Supervisor, pages: str, inbox: Path) -> None:
    """Subscribe and confirm everyone through the pages. Raises RunFailed."""
    try:
        with httpx2.Client(base_url=pages, trust_env=False, timeout=10, headers={"Origin": pages}) as browser:
            for subscriber in SUBSCRIBERS:
                browser.post("/subscribe", data={"email": subscriber.email}, follow_redirects=True).raise_for_status()
            for subscriber in SUBSCRIBERS:
                message = wait_for_message(programs, inbox, subscriber, Kind.CONFIRMATION)
                link = _CONFIRM_LINK.search(message.text)
                if link is None:
                    raise programs.failure(f"the confirmation email to {subscriber.email} has no link")
                fields = dict(subscriber.preferences)
                browser.post(link.group(), data=fields, follow_redirects=True).raise_for_status()
    except httpx2.HTTPError as problem:
        raise programs.failure(f"signing up at {pages} failed: {problem}") from problem


def wait_for_message(programs: Supervisor, inbox: Path, subscriber: DemoSubscriber, kind: Kind) -> InboxMessage:
    """The first message of this kind to `subscriber`. Raises RunFailed."""

    def find() -> InboxMessage | None:
        matching = (stored for stored in messages(inbox) if stored.kind == kind and subscriber.email in stored.to)
        return next(matching, None)

    return programs.wait_for(find, _MESSAGE_SECONDS, f"no {kind} reached {subscriber.email}")
