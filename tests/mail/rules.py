"""Checks our messages by the rules of lint and two stricter rules."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from digest.lint import ParsedMessage, lint

URL = re.compile(r"https?://\S+")
VOID = {"meta", "br", "img", "hr"}


def broken(raw: bytes) -> list[str]:
    """The problems of a message as `rule: text`; empty if it is fit to send."""
    judged = [f"{rule.id}: {found}" for rule, problems in lint(raw).problems.items() for found in problems]
    mail = ParsedMessage(raw)
    return [*judged, *_addresses_in_sentences(mail), *_left_open(mail)]


def _addresses_in_sentences(mail: ParsedMessage) -> Iterator[str]:
    for line in mail.text.splitlines():
        if "http" in line and not URL.fullmatch(line):
            yield f"addresses: not alone on its line: {line}"


def _left_open(mail: ParsedMessage) -> Iterator[str]:
    subscriber = _Reader()
    subscriber.feed(mail.html)
    subscriber.close()
    yield from (f"elements: {problem}" for problem in subscriber.problems)
    yield from (f"elements: <{tag}> is never closed" for tag in subscriber.open)


class _Reader(HTMLParser):
    """Browsers mend what is not closed in order; nobody knows how Outlook does."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1:] == [tag]:
            self.open.pop()
        else:
            self.problems.append(f"</{tag}> where {self.open[-1:]} is open")
