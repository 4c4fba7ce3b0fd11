"""Finds the cause of a refusal, by its enhanced code, its words and the SMTP command that was refused."""

import re

from digest.bounces.reading import codes
from digest.bounces.reading.cause import LASTING, Cause
from digest.bounces.reading.commands import SmtpCommand, refused
from digest.bounces.reading.lasting import EXPLICIT, LASTING_WORDS, SUPPOSED
from digest.bounces.reading.phrases import PASSING, TRANSPORT, compiled

_PASSING, _ADDRESS, _TRANSPORT = compiled(PASSING), compiled(LASTING_WORDS), compiled(TRANSPORT)

_BY_CODE = {  # RFC 3463, and one of Microsoft
    "1.0": Cause.USER_UNKNOWN,
    "1.1": Cause.USER_UNKNOWN,
    "1.2": Cause.HOST_UNKNOWN,
    "1.3": Cause.USER_UNKNOWN,
    "1.6": Cause.MOVED,
    "1.7": Cause.SENDER,
    "1.8": Cause.SENDER,
    "1.10": Cause.NO_MAIL,
    "4.310": Cause.HOST_UNKNOWN,
    "2.1": Cause.DISABLED,
    "2.2": Cause.MAILBOX_FULL,
    "2.3": Cause.CONTENT,
    "3.4": Cause.CONTENT,
    "4.7": Cause.EXPIRED,
    "7.13": Cause.DISABLED,
}
_BY_SUBJECT = {"1": Cause.POLICY, "6": Cause.CONTENT, "7": Cause.POLICY, "4": Cause.NETWORK, "3": Cause.SYSTEM}
_TAKES_NO_MAIL = ("521", "556")  # RFC 7504
_NO_SUCH_ADDRESS = "542"  # of Symantec's gateways: "542 ann@example.org Rejected"
_SUPPOSING = re.compile(r"^.{0,500}\b(?:may|might|possibl[ey]|perhaps|probably)\b.*$", re.MULTILINE | re.IGNORECASE)
_OF_KDDI = re.compile(r"550 : user unknown", re.IGNORECASE)  # without the address: its recipient filters
_RCPT = re.compile(r"rcpt[ _]to", re.IGNORECASE)
_OF_ADDRESS = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")

# Words that explain an exact code such as 5.1.1 rather than speak against it: "5.1.1 Access denied".
_BESIDE_THE_ADDRESS = (Cause.POLICY, Cause.CONTENT, Cause.AUTHENTICATION)

_LINK, _MAIL_ADDRESS, _NUMBER = (
    r"https?://\S+",
    r"[^\s@]{0,99}@\S{0,300}",
    r"\[(?:[0-9A-Fa-f]{0,4}[.:]){2,8}[0-9A-Fa-f]{0,4}(?::\d+)?\]",
)
_HOST = r"(?<![\w.])(?!RESOLVER\.|SMTPSEND\.)[\w-]{1,63}(?:\.[\w-]{1,63}){2,9}(?!\w)"
_NOT_PROSE = re.compile(f"{_LINK}|{_MAIL_ADDRESS}|{_HOST}|{_NUMBER}")
_SPACES = re.compile(r"[\s*_>|<\"]+")
# Outlook.com's answers for an address that does not exist, which other servers give for much else.
_OUTLOOK = re.compile(r"recipient address rejected: access denied|requested action not taken: mailbox unavailable")


def prose(diagnostic: str) -> str:
    """The words of a diagnostic, in lower case, without addresses, links and host names."""
    return _SPACES.sub(" ", _NOT_PROSE.sub(" x ", diagnostic[:2000])).lower()


def cause(status: str | None, diagnostic: str, context: str = "") -> Cause:
    """The cause of a refusal; `context` is the rest of the notice, which may show the SMTP command."""
    words, exact = prose(diagnostic), status in _OF_ADDRESS
    passing, address, coded = _first(_PASSING, words), _first(_ADDRESS, words), by_code(status)
    if settled := _settled(status, diagnostic, passing, address):
        return settled
    lasting = (address or coded in LASTING) and not passing
    if lasting and (elsewhere := _elsewhere(status, context)):
        return elsewhere
    if exact and (passing in _BESIDE_THE_ADDRESS or (address and passing not in (Cause.MAILBOX_FULL, Cause.SYSTEM))):
        return address or coded
    if passing:
        return passing
    if address and not status and SUPPOSED.search(words):
        return Cause.UNKNOWN
    if address or coded in LASTING:
        return _of_address(address or coded, exact, status, diagnostic, context)
    return coded if coded is not Cause.UNKNOWN else _first(_TRANSPORT, words) or Cause.UNKNOWN


def _settled(status: str | None, diagnostic: str, passing: Cause | None, address: Cause | None) -> Cause | None:
    """The cause that a code settles, whatever command was refused."""
    reply = codes.reply(diagnostic)
    coded = by_code(status)
    if coded in (Cause.SENDER, Cause.CONTENT):
        return coded
    if status in ("5.4.1", "5.5.0") and _OUTLOOK.search(prose(diagnostic)):
        return Cause.USER_UNKNOWN
    if reply in _TAKES_NO_MAIL:
        return Cause.NO_MAIL
    if reply == _NO_SUCH_ADDRESS and not passing:
        return Cause.USER_UNKNOWN
    if status == "5.2.1" and address is not Cause.USER_UNKNOWN:
        return passing or Cause.DISABLED
    return None


def _elsewhere(status: str | None, context: str) -> Cause | None:
    """A cause that the rest of the notice states about the mailbox or its server."""
    passing = _first(_PASSING, prose(_SUPPOSING.sub("", context)))
    telling = passing in (Cause.MAILBOX_FULL, Cause.SYSTEM) or (passing is Cause.DISABLED and not status)
    return passing if telling else None


def _of_address(address: Cause, exact: bool, status: str | None, diagnostic: str, context: str) -> Cause:
    """The same, unless the sender was refused, or the whole message with the words for an unknown user."""
    if exact or EXPLICIT.search(prose(diagnostic)):
        return address
    if _OF_KDDI.search(diagnostic):
        return Cause.HIDDEN
    command = refused(diagnostic, context)
    if command is SmtpCommand.SENDER:
        return Cause.SENDER
    if address is not Cause.USER_UNKNOWN or status == "5.1.0":
        return address
    by_server_itself = command is SmtpCommand.UNSHOWN and codes.reply(diagnostic) in (None, "553")
    if status and status.startswith("5.7."):  # such as "5.7.1 No such user"
        return address if _RCPT.search(diagnostic) or _RCPT.search(context) else Cause.HIDDEN
    return address if command is SmtpCommand.RECIPIENT or by_server_itself else Cause.HIDDEN


def by_code(status: str | None) -> Cause:
    """The cause that an enhanced code stands for."""
    if not status:
        return Cause.UNKNOWN
    _, subject, detail = status.split(".", 2)
    return _BY_CODE.get(f"{subject}.{detail}", _BY_SUBJECT.get(subject, Cause.UNKNOWN))


def _first(table: tuple[tuple[Cause, re.Pattern[str]], ...], words: str) -> Cause | None:
    return next((named for named, pattern in table if pattern.search(words)), None)
