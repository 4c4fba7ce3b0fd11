"""Whether a person on a list may be signed up, in the words of the program that wrote it. Pure."""

import re
from collections.abc import Mapping

from digest.ledger.kinds import Status, SuppressionReason

Standing = Status | SuppressionReason

_NO = frozenset(("", "0", "false", "no", "n", "f", "off", "null", "none", "nil", "never"))
# Words of listmonk, Mailchimp, Ghost, Keila, Kit, Buttondown, phpList and ourselves; the later ones are stricter.
_MEANINGS: dict[Standing, str] = {
    Status.CONFIRMED: "confirmed subscribed active enabled regular premium yes true 1",
    Status.PENDING: "pending unconfirmed unactivated notconfirmed",
    Status.UNSUBSCRIBED: "unsubscribed unsubscribe disabled inactive cancelled canceled removed deleted archived"
    " optedout optout no false 0",
    SuppressionReason.REFUSED: "bounced bounce hardbounced hardbounce cleaned undeliverable unreachable",
    SuppressionReason.OPERATOR: "blocked blocklisted blacklisted banned complained complaint spam abuse suppressed",
}
_STATUSES = {word: standing for standing, words in _MEANINGS.items() for word in words.split()}
_STATUSES |= {"": Status.CONFIRMED} | {str(reason): reason for reason in SuppressionReason}
_CERTAIN = frozenset(
    ["unsubscribed", "bounced", "cleaned", "blocklisted", "blacklisted", "complained", "suppressed", "optedout"]
)
_ORDER: tuple[Standing, ...] = (*_MEANINGS, *SuppressionReason)
strictness = _ORDER.index

_STATUS = re.compile(r"(email|list|member|subscriber|subscription)?status")
_LEFT = re.compile(
    r"unsubscri(bed|ption)|unsub(scribe)?(at|on|date|time|reason|$)|bounce|complain|block(ed|list)|blacklist|suppressed"
    r"|deleted|opted?out|cleaned|cleantime"
)
_WANTED = re.compile(r"(is)?(subscribed|active|enabled|optin|optedin)|subscribedtoemails|emailoptin")


def tells_standing(column: str) -> bool:
    """True if a column says who may be signed up; its name is in lower case, without signs."""
    return bool(_STATUS.fullmatch(column) or _LEFT.search(column) or _WANTED.fullmatch(column)) or column == "confirmed"


def standing(row: Mapping[str, str]) -> Standing:
    """What a row says of a person; if it says several things, the one that keeps them out. Raises ValueError."""
    meanings = (_meaning(column.rpartition(":")[2], cell) for column, cell in row.items())
    return max(meanings, key=strictness, default=Status.CONFIRMED)


def _meaning(column: str, cell: str) -> Standing:
    word = "".join(filter(str.isalnum, cell.casefold()))
    if _STATUS.fullmatch(column):
        if word not in _STATUSES:
            raise ValueError(f"unknown status {cell!r}; write confirmed, pending or unsubscribed")
        return _STATUSES[word]
    if word in _CERTAIN or (_LEFT.search(column) and word not in _NO):
        return _STATUSES[word] if isinstance(_STATUSES.get(word), SuppressionReason) else Status.UNSUBSCRIBED
    if word in _NO and (column == "confirmed" or _WANTED.fullmatch(column)):
        return Status.PENDING if column == "confirmed" else Status.UNSUBSCRIBED
    return Status.CONFIRMED
