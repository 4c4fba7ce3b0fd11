"""Reads the status of people on lists, in the words of the program that wrote the list. Pure."""

import re
from collections.abc import Iterable

from digest.ledger.kinds import Status, SuppressionReason

ListedStatus = tuple[Status, SuppressionReason | None]

_CONFIRMED: ListedStatus = (Status.CONFIRMED, None)
_LEFT: ListedStatus = (Status.UNSUBSCRIBED, None)
# Words of listmonk, Mailchimp, Ghost, Keila, Kit, Buttondown, phpList and ourselves.
_WORDS: dict[ListedStatus, str] = {
    _CONFIRMED: "confirmed subscribed active enabled regular premium free paid yes true 1",
    (Status.PENDING, None): "pending unconfirmed unactivated notconfirmed unverified",
    _LEFT: "unsubscribed unsubscribe disabled inactive cancelled canceled removed deleted archived optedout optout"
    " neversubscribed nonsubscribed notsubscribed unsub suspended no false 0 退订 已退订 abgemeldet désabonné",
    (Status.UNSUBSCRIBED, SuppressionReason.REFUSED): "bounced bounce hardbounced hardbounce softbounced cleaned"
    " undeliverable unreachable refused invalid",
    (Status.UNSUBSCRIBED, SuppressionReason.OPERATOR): "blocked blocklisted blacklisted banned complained complaint"
    " spam spamcomplaint junk abuse suppressed operator asked",
}
_MEANINGS = {word: meaning for meaning, words in _WORDS.items() for word in words.split()} | {"": _CONFIRMED}
# These keep a person out in whatever column they are.
_CERTAIN = re.compile(
    "(un|never|non|not)subscribed|(hard|soft)?bounced?|cleaned|bl(ock|ack)listed|blocked|complained|suppressed|opt(ed)?out|unsub"
    "|disabled|inactive|cancell?ed|已?退订"
)
_NO = frozenset(("", "false", "no", "n", "f", "off", "null", "none", "nil", "never", "na"))  # and zeros

# Names of columns in lower case, without signs.
_STATUS = re.compile(r"(email|list|member|subscriber|subscription|delivery)?status|(订阅)?状态")
_OUT = re.compile(
    r"unsubscri(bed|ption)|unsub(scribe)?(at|on|date|time|reason|$)|bounce|complain|block(ed|list)|blacklist|suppress"
    r"|deleted|opt(ed)?out|leavetime|left(at|on)|cleaned|cleantime|disabled|inactive|donot(e?mail|contact)"
)
_IN = re.compile(
    "(is)?(subscribed|active|enabled|(email)?opt(ed)?in)|subscribedtoemails|accepts?(email)?marketing|newsletter"
    "|(gdpr|email|marketing)?consent|(receives?|wants?)(e?mails?|marketing|newsletters?)"
)
_VERIFIED = re.compile(r"(is|email)*(confirmed|verified)")
_ON_A_LIST = re.compile(r"subscription_status\W+(\w+)")  # listmonk's JSON about each of its lists


def tells_status(column: str) -> bool:
    """True if a column says who may be signed up; its name is in lower case, without signs."""
    return bool(_OUT.search(column) or any(names.fullmatch(column) for names in (_STATUS, _IN, _VERIFIED)))


def listed_status(row: Iterable[tuple[str, str]]) -> ListedStatus:
    """The strictest status in the cells of a row. Raises ValueError for an unknown one."""
    cells = list(row)
    cells += [("status", word) for _, cell in cells for word in _ON_A_LIST.findall(cell)]
    return strictest([_CONFIRMED, *(_meaning(column, cell) for column, cell in cells)])


def strictest(meanings: Iterable[ListedStatus]) -> ListedStatus:
    """The last status in the order confirmed, pending, unsubscribed, and the strongest reason."""
    statuses, reasons = zip(*meanings, strict=True)
    order = (Status.CONFIRMED, Status.PENDING, Status.UNSUBSCRIBED)
    return max(statuses, key=order.index), max(filter(None, reasons), key=list(SuppressionReason).index, default=None)


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
    if _CERTAIN.fullmatch(word) or (_OUT.search(column) and not is_no):
        meaning = _MEANINGS.get(word, _LEFT)
        return meaning if meaning[1] else _LEFT
    if is_no and _IN.fullmatch(column):
        return _LEFT
    return (Status.PENDING if is_no and _VERIFIED.fullmatch(column) else Status.CONFIRMED), None
