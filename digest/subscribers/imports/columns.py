"""The columns of our own export, the names that other programs have for them, and cells that are safe in spreadsheets.

Pure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from digest.subscribers.imports.listed_status import tells_status
from digest.subscribers.subscriber import Preferences
from digest.text import ascii_forms

PREFERENCES = tuple(field.name for field in fields(Preferences))
COLUMNS = (
    "email", "status", *PREFERENCES, "created_at", "confirmed_at", "suppressed", "changed_at", "requested_at",
    "requested_from", "form", "confirmed_from", "other_consents", "link_version", "number", "suppressed_at",
    "suppressed_because", "suppressed_by", "suppressed_until", "key", "key_id",
)  # fmt: skip
CONFIRMED_ELSEWHERE = "confirmed_elsewhere"  # time of confirmation according to another program
FREE_TEXT = frozenset(("form", "suppressed_because"))  # kept as it is, with spaces around it

Row = Sequence[tuple[str, str]]  # (column, cell); a column is one of COLUMNS, or another in lower case without signs

_ADDRESS = re.compile("(subscriber|contact|user|member|primary)?e?mail(addresse?)?|邮箱")  # not from_email
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("optintime", "creationdate", "subscriptioncreatedat", "startdate", "signupdate"), "created_at"),
    **dict.fromkeys(("confirmtime", "confirmationdate", "confirmationtime", "verifiedat"), CONFIRMED_ELSEWHERE),
    **{name.replace("_", ""): name for name in COLUMNS},
}
# Buttondown's columns; its column "type" shows who has left.
_WITH_TYPE = frozenset(
    (
        "creationdate",
        "secondaryid",
        "unsubscriptiondate",
        "undeliverabilitydate",
        "churndate",
        "referrerurl",
        "metadata",
    )
)


def column_of(heading: str) -> str:
    """Return the matching name in COLUMNS, or else the heading in lower case without signs."""
    bare = _bare_name(heading)
    return _NAMES.get(bare, bare)


def columns_of(headings: Sequence[str]) -> list[str]:
    """The same for all headings of a list, which together may identify the program that wrote it."""
    names = [column_of(heading) for heading in headings]
    if not _WITH_TYPE.isdisjoint(map(_bare_name, headings)):
        names = ["subscribertype" if name == "type" else name for name in names]
    return names


def is_for_addresses(heading: str) -> bool:
    return _ADDRESS.fullmatch(_bare_name(heading)) is not None


def _bare_name(heading: str) -> str:
    return "".join(filter(str.isalnum, ascii_forms(heading).casefold()))


def unread(headings: Iterable[str]) -> list[str]:
    """Return the headings of ignored columns, without the one with the addresses."""
    names = dict(zip(headings, columns_of(list(headings)), strict=True))
    read = {*COLUMNS[1:], CONFIRMED_ELSEWHERE}
    return [heading for heading, name in names.items() if name and not (name in read or tells_status(name))]


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet reads as a formula; plain() undoes it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
