"""Three demo readers who sign up the way people do: a page, a mail, a link, a button.

Comes in: the address of the pages and the folder of the inbox. Goes out: confirmed readers with their wishes.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import httpx2

from digest.demo.forms import HtmlForm, first_form
from digest.ledger.kinds import Kind
from digest.run.maildir import InboxMessage, mails

_CONFIRM_LINK = re.compile(r"https?://\S+/confirm/\S+")


class LifeGotStuck(Exception):
    """A step of a reader's life did not work; the message says which."""


@dataclass(frozen=True, slots=True)
class DemoSubscriber:
    """An address and what its owner ticks on the page that confirms."""

    email: str
    wishes: dict[str, str | list[str]] = field(default_factory=dict)
    in_words: str = ""


READERS = (
    DemoSubscriber("ada@example.com", {}, "just typed the address"),
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


def sign_up(pages: str, inbox: Path, patience: float, while_waiting: Callable[[], None]) -> None:
    """Take every reader through subscribe, confirmation mail, link and button. Raises LifeGotStuck."""
    try:
        with httpx2.Client(base_url=pages, trust_env=False, timeout=10, headers={"Origin": pages}) as browser:
            for reader in READERS:
                _subscribe(browser, reader)
            for reader in READERS:
                letter = _wait_for(inbox, reader, Kind.CONFIRMATION, patience, while_waiting)
                _confirm(browser, letter, reader)
    except httpx2.TransportError as problem:
        raise LifeGotStuck(f"the pages at {pages} do not answer: {problem}") from problem


def wait_for_digests(inbox: Path, patience: float, while_waiting: Callable[[], None]) -> list[InboxMessage]:
    """The first digest of each reader. Raises LifeGotStuck."""
    return [_wait_for(inbox, reader, Kind.DIGEST, patience, while_waiting) for reader in READERS]


def _subscribe(browser: httpx2.Client, reader: DemoSubscriber) -> None:
    form = _form_on(browser, "/")
    _submit(browser, "/", form, form.filled(email=reader.email))


def _confirm(browser: httpx2.Client, letter: InboxMessage, reader: DemoSubscriber) -> None:
    link = _CONFIRM_LINK.search(letter.text)
    if link is None:
        raise LifeGotStuck(f"the confirmation mail to {reader.email} holds no link")
    form = _form_on(browser, link.group())
    _submit(browser, link.group(), form, form.filled(**reader.wishes))


def _form_on(browser: httpx2.Client, page: str) -> HtmlForm:
    answer = browser.get(page)
    form = first_form(answer.text) if answer.is_success else None
    if form is None:
        raise LifeGotStuck(f"the page {page} answered {answer.status_code} and shows no form")
    return form


def _submit(browser: httpx2.Client, page: str, form: HtmlForm, fields: dict[str, list[str]]) -> None:
    answer = browser.post(urljoin(str(browser.base_url.join(page)), form.action), data=fields, follow_redirects=True)
    if not answer.is_success:
        raise LifeGotStuck(f"{answer.url.path} answered {answer.status_code}")


def _wait_for(
    inbox: Path, reader: DemoSubscriber, kind: Kind, patience: float, while_waiting: Callable[[], None]
) -> InboxMessage:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        for mail in mails(inbox):
            if mail.kind == kind and reader.email in mail.to:
                return mail
        while_waiting()
        time.sleep(0.05)
    raise LifeGotStuck(f"no {kind} reached {reader.email} within {patience:.0f} s")
