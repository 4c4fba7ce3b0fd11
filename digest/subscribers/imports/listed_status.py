"""Reads the status of people on lists, in the words of the program that wrote the list. Pure."""

import re
from collections.abc import Iterable
from functools import cache, lru_cache

from digest.ledger.kinds import Status, SuppressionReason

ListedStatus = tuple[Status, SuppressionReason | None]

CONFIRMED: ListedStatus = (Status.CONFIRMED, None)
_PENDING: ListedStatus = (Status.PENDING, None)
_LEFT: ListedStatus = (Status.UNSUBSCRIBED, None)
_REFUSED: ListedStatus = (Status.UNSUBSCRIBED, SuppressionReason.REFUSED)
# Words of listmonk, Mailchimp, Ghost, Substack, Keila, Kit, Buttondown, phpList and Digest.
_WORDS: dict[ListedStatus, str] = {
    CONFIRMED: "confirmed subscribed active enabled regular premium free paid yes true 1 unpaid trialed gifted gift"
    " churning churned pastdue comped comp complimentary founding",
    _PENDING: "pending unconfirmed unactivated notconfirmed unverified notactivated awaitingconfirmation",
    _LEFT: "unsubscribed unsubscribe disabled inactive cancelled canceled removed deleted archived optedout optout"
    " neversubscribed nonsubscribed notsubscribed unsub suspended no false 0 transactional left"
    " 退订 已退订 abgemeldet désabonné",
    _REFUSED: "bounced bounce hardbounced hardbounce softbounced cleaned undeliverable unreachable refused invalid",
    (Status.UNSUBSCRIBED, SuppressionReason.OPERATOR): "blocked blocklisted blacklisted banned complained complaint"
    " spam spammy spamcomplaint junk abuse suppressed operator asked",
}
_MEANINGS = {word: meaning for meaning, words in _WORDS.items() for word in words.split()} | {"": CONFIRMED}
# These keep a person out in whatever column they are.
_CERTAIN = re.compile(
    "(un|never|non|not)subscribed|(hard|soft)?bounced?|cleaned|bl(ock|ack)listed|blocked|complained|suppressed|opt(ed)?out|unsub"
    "|disabled|inactive|cancell?ed|已?退订"
)
_LONGEST_WORD = 40  # longer cells of unrelated columns are ignored
_NO = frozenset(("", "false", "no", "n", "f", "off", "null", "none", "nil", "never", "na"))  # and zeros

# Names of columns in lower case, without signs.
_STATUS = re.compile(r"(email|list|member|subscriber|subscription|delivery|contact)?status|subscribertype|(订阅)?状态")
_MAYBE_STATUS = re.compile(r"(member|contact|subscription|subscriber)?(type|state)")  # or the one where they live
_OUT = re.compile(
    r"unsubscri(bed|ption)|unsub(scribe)?(at|on|date|time|reason|$)|bounce|complain|block(ed|list)|blacklist|suppress"
    r"|deleted|opt(ed)?out|leavetime|left(at|on)|cleaned|clean(time|campaign)|disabled|inactive|donot(e?mail|contact)"
    r"|undeliverab|cancel(l?ed)?(date|at|on|time)|spamreport|removed(at|on|date)"
)
_IN = re.compile(
    "(is)?(subscribed|active|enabled|(email)?opt(ed)?in)|subscribedtoemails|accepts?(email)?marketing|newsletter"
    "|(gdpr|email|marketing)?consent|(receives?|wants?)(e?mails?|marketing|newsletters?)"
)
_ANSWER = re.compile("(is)?(subscribed|active|enabled|(email)?opt(ed)?in)|subscribedtoemails")  # of these, yes or no
_YES = frozenset(("y", "t", "x", "on", "ja", "oui", "si", "sí", "是"))
_VERIFIED = re.compile(r"(is|email)*(confirmed|verified)|confirmed_(at|elsewhere)")
_ON_A_LIST = re.compile(r"subscription_status\W+(\w+)")  # listmonk's JSON about each of its lists
_FILE_OF_MAILCHIMP = re.compile(r"(un|non)subscribed_|(cleaned_)")


@cache
def tells_status(column: str) -> bool:
    """True if a column says who may be signed up; its name is in lower case, without signs."""
    return bool(_OUT.search(column)) or any(
        names.fullmatch(column) for names in (_STATUS, _MAYBE_STATUS, _IN, _VERIFIED)
    )


def status_of_file(name: str) -> ListedStatus:
    """Status of everyone in a file, from its name: Mailchimp's lists of those who left say it nowhere
    else.
    """
    match = _FILE_OF_MAILCHIMP.match(name.lower())
    if not match:
        return CONFIRMED
    return _REFUSED if match[2] else _LEFT


def listed_status(row: Iterable[tuple[str, str]], quiet: frozenset[str] = frozenset()) -> ListedStatus:
    """The strictest status in the cells of a row. Raises ValueError for an unknown one.

    `quiet`: columns whose cells are about something else, whatever they contain.
    """
    meanings = [CONFIRMED]
    for column, cell in row:
        if column in quiet or (not cell and not _matters_empty(column)):
            continue
        if len(cell) <= _LONGEST_WORD or tells_status(column):
            meaning = _meaning(column, cell)
            if meaning is not CONFIRMED:
                meanings.append(meaning)
        if "subscription_status" in cell:
            meanings += (_meaning("status", word) for word in _ON_A_LIST.findall(cell))
    return strictest(meanings) if len(meanings) > 1 else CONFIRMED


def strictest(meanings: Iterable[ListedStatus]) -> ListedStatus:
    """The last status in the order confirmed, pending, unsubscribed, and the strongest reason."""
    return _strictest(frozenset(meanings))


@cache
def _strictest(meanings: frozenset[ListedStatus]) -> ListedStatus:
    statuses, reasons = zip(*meanings, strict=True)
    order = (Status.CONFIRMED, Status.PENDING, Status.UNSUBSCRIBED)
    return max(statuses, key=order.index), max(filter(None, reasons), key=list(SuppressionReason).index, default=None)


@cache
def _matters_empty(column: str) -> bool:
    return bool(_IN.fullmatch(column) or _VERIFIED.fullmatch(column))


@lru_cache(10_000)
def _meaning(column: str, cell: str) -> ListedStatus:
    word = "".join(filter(str.isalnum, cell.casefold()))
    is_no = word.strip("0") in _NO or "://" in cell  # a link to unsubscribe
    if _STATUS.fullmatch(column):
        if word not in _MEANINGS:
            raise ValueError(f"unknown status {cell!r}; write confirmed, pending or unsubscribed")
        return _MEANINGS[word]
    if column == "suppressed" and not is_no:  # our own export: the status is in a column of its own
        reasons = map(str, SuppressionReason)
        return Status.CONFIRMED, SuppressionReason(word) if word in reasons else SuppressionReason.OPERATOR
    if _MAYBE_STATUS.fullmatch(column) and not word.isdigit() and word not in _NO:
        return _MEANINGS.get(word, CONFIRMED)
    if _CERTAIN.fullmatch(word) or (_OUT.search(column) and not is_no):
        meaning = _MEANINGS.get(word, _LEFT)
        return meaning if meaning[1] else _LEFT
    return _answer(column, cell, word, is_no)


def _answer(column: str, cell: str, word: str, is_no: bool) -> ListedStatus:
    """Interpret a yes, a no or a date in a column about being subscribed or having confirmed."""
    has_date = any(map(str.isdigit, word)) or word in _YES
    if _VERIFIED.fullmatch(column):
        return _PENDING if is_no else CONFIRMED if has_date else _MEANINGS.get(word, _PENDING)
    if is_no and _IN.fullmatch(column):
        return _LEFT
    if not has_date and _ANSWER.fullmatch(column):
        if word not in _MEANINGS:
            raise ValueError(f"unknown status {cell!r}; write confirmed, pending or unsubscribed")
        return _MEANINGS[word]
    return CONFIRMED
