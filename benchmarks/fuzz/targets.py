"""The readers of strangers' bytes: each as a function that raises whatever its reader must not.

A reader may raise only what it declares; its result has to be clean: printable, bounded, and from the input alone.
"""

import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from io import BytesIO
from typing import Any

from digest.bounces.providers.events import generic_reports, mailgun_reports, postmark_reports, sendgrid_reports
from digest.bounces.providers.sns import confirmation_url
from digest.bounces.reading.reader import is_automatic, read
from digest.bounces.report import Report
from digest.language import UserError
from digest.mail.compose.dkim import load_signer
from digest.mail.delivery.outcome import Outcome, receipt_of
from digest.mail.return_paths import AddressPurpose, number_of, token_in
from digest.papers.sources.arxiv_xml import document
from digest.papers.sources.feeds.feed_json import Item, item_of
from digest.papers.sources.feeds.feed_xml import items
from digest.papers.sources.fetch.client import FetchResponse
from digest.papers.sources.hackernews import HackerNews
from digest.papers.sources.huggingface import HuggingFace
from digest.papers.sources.reading import JSON, decoded
from digest.papers.sources.source import SourceUnavailable
from digest.papers.text.plaintext import LONGEST, plaintext
from digest.settings.environment import SettingsError, values_in
from digest.smtp import Phase, Reply
from digest.smtp.connection import ProtocolError, Replies
from digest.subscribers.addresses import MAX_ADDRESS, BadAddress, normalise
from digest.subscribers.imports.json_list import UnreadableList
from digest.subscribers.imports.list_file import ListFile
from digest.subscribers.imports.people import ForeignKey, Import, PeopleReader
from digest.subscribers.library.entry import LONGEST_TITLE
from digest.subscribers.library.reading import read_library
from digest.subscribers.tokens import Purpose, verify
from tests.support.scenario import DAY, LANGUAGES, MORNING, SECRET

_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


def reports(data: bytes) -> None:
    """Bounces, delivery reports and complaints that come by email."""
    is_automatic(data)
    found = read(data)
    assert 1 <= len(found) <= 200
    for report in found:
        _check_report(report)


def webhooks(data: bytes) -> None:
    """Bodies that providers of email post."""
    payload = _json(data)
    for reports_in in (postmark_reports, sendgrid_reports, mailgun_reports, generic_reports):
        assert all(isinstance(report, Report) for report in reports_in(payload))
    if isinstance(payload, dict):
        confirmation_url({name: value for name, value in payload.items() if isinstance(value, str)})


def feeds(data: bytes) -> None:
    """Atom and RSS of any program."""
    with suppress(SourceUnavailable):
        _check_items(items(decoded(data), "https://example.org/feed"))


def lists(data: bytes) -> None:
    """Records of an operator's JSON list."""
    payload = _json(data)
    for record in payload if isinstance(payload, list) else [payload]:
        _check_items([item_of(record)])


def arxiv(data: bytes) -> None:
    """arXiv's feeds and API."""
    for entry in document(data).entries:
        assert (entry.paper is None) == bool(entry.reason)
        _check_line(entry.place, 200)
        if entry.paper:
            _check_lines([entry.paper.id, entry.paper.title, entry.paper.abstract, *entry.paper.authors])


def votes(data: bytes) -> None:
    """JSON of Hugging Face and Hacker News."""
    with suppress(SourceUnavailable):
        for paper in HuggingFace("https://example.org", _Fixed(data)).fetch(DAY, MORNING).papers:  # type: ignore[arg-type]
            _check_lines([paper.id, paper.title, paper.abstract, *paper.authors, *paper.keywords])
    with suppress(SourceUnavailable):
        for each in HackerNews("https://example.org", _Fixed(data)).fetch(DAY, MORNING).votes:  # type: ignore[arg-type]
            assert 0 <= each.upvotes <= 10**9


def libraries(data: bytes) -> None:
    """BibTeX, RIS, CSL-JSON and pasted text of reference managers."""
    with suppress(UserError):
        for entry in read_library(data):
            _check_line(entry.title, LONGEST_TITLE)
            assert entry.name


def imports(data: bytes) -> None:
    """Lists of people, of any program."""
    with suppress(UnreadableList):
        listed = ListFile(BytesIO(data), "list.csv")
        reader = PeopleReader(Import("a form", MORNING, SECRET), listed.status)
        for _line, row in listed.rows():
            with suppress(ValueError, ForeignKey):
                reader.deleted(row)
                person = reader.person(row)
                _check_address(person.mailbox.address)


def texts(data: bytes) -> None:
    """Titles and abstracts with LaTeX and HTML."""
    shown = plaintext(data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace"))
    _check_line(shown, LONGEST)
    assert plaintext("") == ""


def addresses(data: bytes) -> None:
    """Addresses as people type them."""
    with suppress(BadAddress):
        found = normalise(data.decode("utf-8", "replace"))
        _check_address(found)
        assert normalise(found) == found


def tokens(data: bytes) -> None:
    """Tokens in links and addresses, none of which we signed."""
    text = data.decode("latin-1")
    assert all(verify(purpose, text, (SECRET,)) is None for purpose in Purpose)
    token = token_in(text)
    assert all(number_of(purpose, token, (SECRET,)) is None for purpose in AddressPurpose)


def languages(data: bytes) -> None:
    """Accept-Language headers."""
    assert LANGUAGES.negotiate(data.decode("latin-1"), "en") in LANGUAGES.codes


def replies(data: bytes) -> None:
    """SMTP replies, however the network cuts them."""
    whole, cut = _replies([data]), _replies([data[at : at + 1] for at in range(len(data))])
    assert whole == cut  # however the network cut it
    for code, text in whole:
        for phase in Phase:
            receipt = receipt_of(Reply(1, phase, code, text, MORNING))
            _check_line(receipt.text, 500)
            assert (receipt.outcome is Outcome.ACCEPTED) == (phase is Phase.CONTENT and 200 <= code < 300)


def keys(data: bytes) -> None:
    """Files that should hold a DKIM key."""
    problem = ""
    try:
        load_signer("news", data)
    except ValueError as error:
        problem = str(error)
    assert "\n" not in problem


def settings(data: bytes) -> None:
    """Files of settings."""
    with suppress(SettingsError):
        for name, value in values_in(data.decode("utf-8", "replace"), ".env").items():
            assert name.startswith("DIGEST_")
            assert "\n" not in name + value


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        reports,
        webhooks,
        feeds,
        lists,
        arxiv,
        votes,
        libraries,
        imports,
        texts,
        addresses,
        tokens,
        languages,
        replies,
        keys,
        settings,
    )
}


# --- what a clean result is ---


class _Fixed:
    """Gives the same bytes for every address."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get(self, *_about: object) -> FetchResponse:
        return FetchResponse(self._body)


def _json(data: bytes) -> Any:
    with suppress(ValueError, RecursionError):
        return JSON.decode(data.decode("utf-8", "replace"))
    return {}


def _replies(pieces: Iterable[bytes]) -> list[tuple[int, str]]:
    reader, found = Replies(), []
    with suppress(ProtocolError):
        for piece in pieces:
            for reply in reader.feed(piece):
                found.append(reply)  # noqa: PERF402 - those before an error count
    return found


def _check_items(read_items: Iterable[Item | str]) -> None:
    for item in read_items:
        if isinstance(item, str):
            _check_line(item, 500)
            continue
        paper = item.paper
        assert paper.title or item.withdrawn
        _check_lines([paper.id, paper.title, paper.abstract, paper.organization, *paper.authors, *paper.keywords])
        for url in (paper.url, paper.code_url, paper.project_url):
            assert url == "" or (url.startswith(("http://", "https://")) and not set(url) & set('<>" \n\r'))
        assert paper.published_at is None or paper.published_at.date() > date(1990, 1, 1)


def _check_report(report: Report) -> None:
    lines = (report.diagnostic, report.recipient, report.return_path, report.message_id, report.token, report.reporter)
    for line in lines:
        assert len(line or "") <= 500
        assert (line or "").isprintable()


def _check_lines(lines: Iterable[str]) -> None:
    for line in lines:
        _check_line(line, 2 * LONGEST)


def _check_line(line: str, longest: int) -> None:
    assert len(line) <= longest
    assert not any(unicodedata.category(character) in _UNPRINTABLE for character in line)


def _check_address(address: str) -> None:
    assert len(address) <= MAX_ADDRESS
    assert address.isascii()
    assert address.isprintable()
    assert not set(address) & set('<>,;" \\')
    assert address.count("@") == 1
