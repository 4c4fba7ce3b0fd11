"""Three demo subscribers who sign up as people do: the front page, an email, its link, a button."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from digest.ledger.kinds import Kind
from digest.run.maildir import InboxMessage, messages

_CONFIRM_LINK = re.compile(r"https?://\S+/confirm/\S+")


class SignUpFailed(Exception):
    """A step between the front page and the first issue did not work; the message says which."""


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


def sign_up(pages: str, inbox: Path, seconds: float, while_waiting: Callable[[], None]) -> None:
    """Subscribe and confirm everyone through the pages. Raises SignUpFailed after `seconds` for one message."""
    try:
        with httpx2.Client(base_url=pages, trust_env=False, timeout=10, headers={"Origin": pages}) as browser:
            for subscriber in SUBSCRIBERS:
                _post(browser, "/subscribe", {"email": subscriber.email})
            for subscriber in SUBSCRIBERS:
                message = _wait_for(inbox, subscriber, Kind.CONFIRMATION, seconds, while_waiting)
                link = _CONFIRM_LINK.search(message.text)
                if link is None:
                    raise SignUpFailed(f"the confirmation email to {subscriber.email} has no link")
                _post(browser, link.group(), subscriber.preferences)
    except httpx2.TransportError as problem:
        raise SignUpFailed(f"the pages at {pages} do not answer: {problem}") from problem


def wait_for_digests(inbox: Path, seconds: float, while_waiting: Callable[[], None]) -> None:
    """Wait until everyone has their first digest. Raises SignUpFailed."""
    for subscriber in SUBSCRIBERS:
        _wait_for(inbox, subscriber, Kind.DIGEST, seconds, while_waiting)


def _post(browser: httpx2.Client, page: str, fields: Mapping[str, str | list[str]]) -> None:
    response = browser.post(page, data=dict(fields), follow_redirects=True)
    if not response.is_success:
        raise SignUpFailed(f"{response.url.path} answered {response.status_code}")


def _wait_for(
    inbox: Path, subscriber: DemoSubscriber, kind: Kind, seconds: float, while_waiting: Callable[[], None]
) -> InboxMessage:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for message in messages(inbox):
            if message.kind == kind and subscriber.email in message.to:
                return message
        while_waiting()
        time.sleep(0.05)
    raise SignUpFailed(f"no {kind} reached {subscriber.email} within {seconds:.0f} s")
