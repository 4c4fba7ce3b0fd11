"""Rules of the header fields: sender, recipient, unsubscribing, subject."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from email.utils import getaddresses, parsedate_to_datetime

from digest.lint.message import ALL, BULK, ParsedMessage, Rule, Scope

_LONGEST_SUBJECT = 60
_SHOUTED = re.compile(r"[!?]{2,}|\b[A-Z]{4,}(?:\W+[A-Z]{4,}){2,}\b")


def _field(name: str, pattern: str, problem: str = "{name} is {value!r}") -> Callable[[ParsedMessage], Iterator[str]]:
    """A check that the field contains `pattern`."""

    def check(message: ParsedMessage) -> Iterator[str]:
        if not re.search(pattern, message.field(name)):
            yield problem.format(name=name, value=message.field(name))

    return check


def _from(message: ParsedMessage) -> Iterator[str]:
    senders = getaddresses([message.field("From")])
    if len(senders) != 1 or "@" not in senders[0][1]:
        yield f"From is not one address: {message.field('From')!r}"
    elif not senders[0][0].strip():
        yield f"From shows a bare address: {senders[0][1]}"


def _reply_to(message: ParsedMessage) -> Iterator[str]:
    if "@" not in message.field("Reply-To"):
        yield "there is no Reply-To"
    elif re.match(r".*\b(no|do-?not)-?_?reply", message.field("Reply-To"), re.IGNORECASE):
        yield f"nobody reads the replies: {message.field('Reply-To')}"


def _one_recipient(message: ParsedMessage) -> Iterator[str]:
    shown = getaddresses([message.field(name) for name in ("To", "Cc", "Bcc") if message.field(name)])
    if len(shown) != 1 or "@" not in shown[0][1]:
        yield f"it shows {len(shown)} recipients"


def _date(message: ParsedMessage) -> Iterator[str]:
    date = message.field("Date")
    try:
        if parsedate_to_datetime(date).tzinfo is None and not date.endswith("-0000"):
            yield f"Date has no zone: {date!r}"
    except (ValueError, OverflowError):
        yield f"Date cannot be read: {date!r}"


def _message_id(message: ParsedMessage) -> Iterator[str]:
    parts = re.fullmatch(r"<[^<>@\s]+@([^<>@\s]+)>", message.field("Message-ID"))
    sender = next((address.rpartition("@")[2] for _, address in getaddresses([message.field("From")])), "")
    if parts is None:
        yield f"Message-ID is not <left@right>: {message.field('Message-ID')!r}"
    elif not _are_related(parts.group(1).lower(), sender.lower()):
        yield f"Message-ID has the domain {parts.group(1)}, From has {sender.lower() or 'none'}"


def _are_related(domain: str, other: str) -> bool:
    """Tell whether a domain is the other or is below it."""
    return bool(other) and (domain == other or domain.endswith(f".{other}") or other.endswith(f".{domain}"))


def _unsubscribe(message: ParsedMessage) -> Iterator[str]:
    value = str(message.parsed["List-Unsubscribe"] or "")
    if not value:
        yield "there is no List-Unsubscribe"
    elif "=?" in value:
        yield "List-Unsubscribe is written in encoded-words, so that email programs show no button"
    elif not re.fullmatch(r"\s*<[a-z]+:[!-;=?-~]+>(\s*,\s*<[a-z]+:[!-;=?-~]+>)*\s*", value):
        yield f"List-Unsubscribe is not a list of <address>: {value[:60]!r}"
    elif not message.unsubscribe_urls:
        yield "List-Unsubscribe has no web address, so that unsubscribing takes more than one click"


def _feedback_id(message: ParsedMessage) -> Iterator[str]:
    own = any(re.match(r"x-.*(campaign|issue|list|mailing)", name.lower()) for name in message.field_names)
    if not own and not re.fullmatch(r"[^:\s]*(:[^:\s]*){0,2}:[^:\s]{5,15}", message.field("Feedback-ID")):
        yield f"Feedback-ID is not a:b:c:sender: {message.field('Feedback-ID')!r}"


def _subject_length(message: ParsedMessage) -> Iterator[str]:
    if not 1 <= len(message.subject) <= _LONGEST_SUBJECT:
        yield f"the subject has {len(message.subject)} characters"


def _subject_calm(message: ParsedMessage) -> Iterator[str]:
    letters = [c for c in message.subject if c.isalpha()]
    if shouted := _SHOUTED.search(message.subject):
        yield f"the subject shouts: {shouted.group()!r}"
    elif len(letters) >= 8 and all(c.isupper() for c in letters):
        yield "the subject is all capitals"
    if emoji := [c for c in message.subject if unicodedata.category(c) == "So"]:
        yield f"the subject has emoji: {' '.join(emoji)}"


def _subject_content(message: ParsedMessage) -> Iterator[str]:
    brand = getaddresses([message.field("From")])[0][0].strip() if message.field("From") else ""
    if brand and re.sub(r"^[\W_]+", "", message.subject).casefold().startswith(brand.casefold()):
        yield f"the subject begins with the sender's name, which is shown anyway: {brand}"


RULES = (
    Rule(
        "from",
        ALL,
        Scope.ANY,
        "From is one address with a name.",
        'Write From as "Name <address>".',
        _from,
    ),
    Rule(
        "reply-to",
        ALL,
        Scope.ANY,
        "Reply-To names a mailbox that someone reads.",
        "Name a mailbox where replies are welcome.",
        _reply_to,
    ),
    Rule(
        "one-recipient",
        ALL,
        Scope.ANY,
        "To has one address, and there is no Cc or Bcc.",
        "Send a separate message to each person.",
        _one_recipient,
    ),
    Rule(
        "date",
        ALL,
        Scope.ANY,
        "Date is a time with a zone.",
        "Write Date as in RFC 5322 §3.3.",
        _date,
    ),
    Rule(
        "message-id",
        ALL,
        Scope.ANY,
        "Message-ID has the domain of From.",
        "Set the Message-ID yourself, with the sender's domain on the right.",
        _message_id,
    ),
    Rule(
        "auto-submitted",
        ALL,
        Scope.ANY,
        "Auto-Submitted says that a program sent the message.",
        "Add Auto-Submitted: auto-generated (RFC 3834 §5), so that no out-of-office reply comes back.",
        _field("Auto-Submitted", "(?i)^auto-(generated|replied)"),
    ),
    Rule(
        "list-id",
        BULK,
        Scope.ANY,
        "List-Id names the list.",
        "Add List-Id: <name.your-domain> (RFC 2919), so that people can filter by it.",
        _field("List-Id", r"<[^<>\s@]+\.[^<>\s@]+>$|<[^<>\s@]+\.localhost>$", "{name} is not <name.domain>: {value!r}"),
    ),
    Rule(
        "list-archive",
        BULK,
        Scope.ANY,
        "List-Archive links to earlier issues.",
        "Add List-Archive: <https://…> (RFC 2369 §3.6).",
        _field(
            "List-Archive",
            r"<(https?|mailto):[^<>\s]+>",
            "there is no {name} with an address in angle brackets",
        ),
    ),
    Rule(
        "unsubscribe",
        BULK,
        Scope.ANY,
        "List-Unsubscribe has a web address in plain ASCII.",
        "Write List-Unsubscribe: <https://…> on one line, not encoded (RFC 2369 §2).",
        _unsubscribe,
    ),
    Rule(
        "one-click",
        BULK,
        Scope.ANY,
        "Unsubscribing takes one click.",
        "Add List-Unsubscribe-Post: List-Unsubscribe=One-Click (RFC 8058).",
        _field("List-Unsubscribe-Post", "^List-Unsubscribe=One-Click$"),
    ),
    Rule(
        "feedback-id",
        BULK,
        Scope.ANY,
        "Complaints can be counted by issue.",
        "Add Feedback-ID: issue:kind:domain:sender, the sender's name in 5 to 15 characters.",
        _feedback_id,
    ),
    Rule(
        "subject-length",
        ALL,
        Scope.ANY,
        "The subject has at most 60 characters.",
        "Shorten it: phones show 40 to 60.",
        _subject_length,
    ),
    Rule(
        "subject-calm",
        ALL,
        Scope.ANY,
        "The subject does not shout and has no emoji.",
        "Remove capitals, repeated punctuation and emoji: spam filters count them.",
        _subject_calm,
    ),
    Rule(
        "subject-content",
        ALL,
        Scope.ANY,
        "The subject begins with the content, not with the sender's name.",
        "Begin with what is inside; the sender is shown anyway.",
        _subject_content,
    ),
    Rule(
        "subject-dated",
        BULK,
        Scope.ANY,
        "The subject has a date or a count.",
        "Add one, so that issues differ and are not grouped into one thread.",
        _field("Subject", r"\d|[一二三四五六七八九十]", "the subject has neither a date nor a count"),
    ),
)
