"""Rules of the header fields: who writes, to whom, how to leave, and what the subject says."""

import re
import unicodedata
from collections.abc import Iterator
from email.utils import getaddresses, parsedate_to_datetime

from digest.lint.message import ALL, BULK, ParsedMessage, Rule, Scope

_LONGEST_SUBJECT = 60
_SHOUTED = re.compile(r"[!?]{2,}|\b[A-Z]{4,}(?:\W+[A-Z]{4,}){2,}\b")


def _from(mail: ParsedMessage) -> Iterator[str]:
    senders = getaddresses([mail.field("From")])
    if len(senders) != 1 or "@" not in senders[0][1]:
        yield f"From is not one address: {mail.field('From')!r}"
    elif not senders[0][0].strip():
        yield f"From shows a bare address: {senders[0][1]}"


def _reply_to(mail: ParsedMessage) -> Iterator[str]:
    if "@" not in mail.field("Reply-To"):
        yield "there is no Reply-To"
    elif re.match(r".*\b(no|do-?not)-?_?reply", mail.field("Reply-To"), re.IGNORECASE):
        yield f"nobody reads the answers: {mail.field('Reply-To')}"


def _one_recipient(mail: ParsedMessage) -> Iterator[str]:
    seen = getaddresses([mail.field(name) for name in ("To", "Cc", "Bcc") if mail.field(name)])
    if len(seen) != 1 or "@" not in seen[0][1]:
        yield f"it shows {len(seen)} recipients"


def _date(mail: ParsedMessage) -> Iterator[str]:
    try:
        zone = parsedate_to_datetime(mail.field("Date")).tzinfo
    except ValueError:
        yield f"Date cannot be read: {mail.field('Date')!r}"
        return
    if zone is None and not mail.field("Date").endswith("-0000"):
        yield f"Date has no zone: {mail.field('Date')!r}"


def _message_id(mail: ParsedMessage) -> Iterator[str]:
    named = re.fullmatch(r"<[^<>@\s]+@([^<>@\s]+)>", mail.field("Message-ID"))
    if named is None:
        yield f"Message-ID is not <left@right>: {mail.field('Message-ID')!r}"
    elif not _same_house(named.group(1), _domain(mail)):
        yield f"Message-ID is of {named.group(1)}, From of {_domain(mail) or 'nobody'}"


def _list_id(mail: ParsedMessage) -> Iterator[str]:
    if not re.search(r"<[^<>\s@]+\.[^<>\s@]+>$|<[^<>\s@]+\.localhost>$", mail.field("List-Id")):
        yield f"List-Id is not <name.domain>: {mail.field('List-Id')!r}"


def _list_archive(mail: ParsedMessage) -> Iterator[str]:
    if not re.search(r"<(https?|mailto):[^<>\s]+>", mail.field("List-Archive")):
        yield "there is no List-Archive with an address in angle brackets"


def _unsubscribe(mail: ParsedMessage) -> Iterator[str]:
    said = str(mail.message["List-Unsubscribe"] or "")
    if not said:
        yield "there is no List-Unsubscribe"
    elif "=?" in said:
        yield "List-Unsubscribe is written in encoded-words, and mail programs then show no button"
    elif not re.fullmatch(r"\s*<[a-z]+:[!-;=?-~]+>(\s*,\s*<[a-z]+:[!-;=?-~]+>)*\s*", said):
        yield f"List-Unsubscribe is not a list of <address>: {said[:60]!r}"
    elif not mail.ways_out():
        yield "List-Unsubscribe has no web address, so that there is no way out with one click"


def _one_click(mail: ParsedMessage) -> Iterator[str]:
    if mail.field("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click":
        yield f"List-Unsubscribe-Post says {mail.field('List-Unsubscribe-Post')!r}"


def _feedback_id(mail: ParsedMessage) -> Iterator[str]:
    own = [name for name in mail.message.keys() if re.match(r"x-.*(campaign|issue|list|mailing)", name.lower())]  # noqa: SIM118
    if not own and not re.fullmatch(r"[^:\s]*(:[^:\s]*){0,2}:[^:\s]{5,15}", mail.field("Feedback-ID")):
        yield f"Feedback-ID is not a:b:c:sender: {mail.field('Feedback-ID')!r}"


def _auto_submitted(mail: ParsedMessage) -> Iterator[str]:
    if not mail.field("Auto-Submitted").lower().startswith(("auto-generated", "auto-replied")):
        yield f"Auto-Submitted says {mail.field('Auto-Submitted')!r}"


def _subject_length(mail: ParsedMessage) -> Iterator[str]:
    if not 1 <= len(mail.subject) <= _LONGEST_SUBJECT:
        yield f"the subject has {len(mail.subject)} characters"


def _subject_calm(mail: ParsedMessage) -> Iterator[str]:
    shouted = _SHOUTED.search(mail.subject)
    if shouted:
        yield f"the subject shouts: {shouted.group()!r}"
    letters = [c for c in mail.subject if c.isalpha()]
    if not shouted and len(letters) >= 8 and all(c.isupper() for c in letters):
        yield "the subject is all capitals"
    pictures = [c for c in mail.subject if unicodedata.category(c) == "So"]
    if pictures:
        yield f"the subject holds pictures: {' '.join(pictures)}"


def _subject_content(mail: ParsedMessage) -> Iterator[str]:
    brand = getaddresses([mail.field("From")])[0][0].strip() if mail.field("From") else ""
    start = re.sub(r"^[\W_]+", "", mail.subject).casefold()
    if brand and start.startswith(brand.casefold()):
        yield f"the subject begins with the sender's name, which stands beside it: {brand}"


def _subject_dated(mail: ParsedMessage) -> Iterator[str]:
    if not re.search(r"\d|[一二三四五六七八九十]", mail.subject):
        yield "the subject holds neither a date nor a count"


def _domain(mail: ParsedMessage) -> str:
    return next((address.rpartition("@")[2] for _, address in getaddresses([mail.field("From")])), "").lower()


def _same_house(one: str, other: str) -> bool:
    """Whether one domain is the other or lies below it."""
    one, other = one.lower(), other.lower()
    return bool(other) and (one == other or one.endswith(f".{other}") or other.endswith(f".{one}"))


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
        _auto_submitted,
    ),
    Rule(
        "list-id",
        BULK,
        Scope.ANY,
        "List-Id names the list.",
        "Add List-Id: <name.your-domain> (RFC 2919), so that people can filter by it.",
        _list_id,
    ),
    Rule(
        "list-archive",
        BULK,
        Scope.ANY,
        "List-Archive links to earlier issues.",
        "Add List-Archive: <https://…> (RFC 2369 §3.6).",
        _list_archive,
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
        _one_click,
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
        _subject_dated,
    ),
)
