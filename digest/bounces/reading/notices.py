"""Reads failure notices in prose, without standard fields."""

import logging
import re
from collections.abc import Iterable
from email import message_from_string

from flufl.bounce import all_failures

from digest.bounces.reading import codes, judging
from digest.bounces.reading.fields import about, address, addresses, refusal
from digest.bounces.reading.opened import OpenedMessage, short
from digest.bounces.reading.quoting import Quoted
from digest.bounces.report import Report

MAX_RECIPIENTS = 100

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs every detector for every message

_DAEMON = re.compile(
    r"mailer-?daemon|postmaster|mail.?delivery|mail.?system|mdaemon|(?:^|<)>?$|@bounce|delivery sub", re.IGNORECASE
)
_SUBJECTS = (
    r"deliver\w* (?:fail|status|notif|report|problem|error|has failed|warning|delay)",
    r"undeliver|not deliver|non-?deliver|could not be delivered|mail could not|bounced|rejected",
    r"fail\w* (?:notice|deliver|notif)|fail\w*.{0,30}deliver|deliver.{0,30}fail|failure notice",
    r"returned? (?:mail|message|to sender)|mail (?:error|failure|system error|delivery)|message (?:delayed|status)",
    r"warning: (?:could not|message)|notice: mail delivery|^loop (?:alert|back)",
    r"unzustellbar|nicht zugestellt|non.?remis|échec|non recapit|no se ha podido|недостав|ошибк",
    r"エラー|不達|配信|送信できません|退信|退回|失败|失敗",
)
_SUBJECT = re.compile("|".join(_SUBJECTS), re.IGNORECASE)
_ANSWER = re.compile(
    r"^(?:re: *)?(?:auto(?:matic|mated)?[- ]?(?:reply|response|matische)|out of (?:the )?office|away|vacation|abwesen)",
    re.IGNORECASE,
)
_AN_ADDRESS = r"<?([^\s<>\"'():;,]{1,64}@[^\s<>\"'():;,]{1,253})>?"
_LEADS = (
    re.compile(rf"^(?:[ \t>*\"'-]*|5\d\d[ -]){_AN_ADDRESS}\"?[ \t]*(?::|\.\.\.)", re.MULTILINE),
    re.compile(rf"^[ \t>*\"'-]*{_AN_ADDRESS}[\"' \t]*(?:$|[\[(])", re.MULTILINE),
    re.compile(rf"^[ \t>*\"'-]*{_AN_ADDRESS}", re.MULTILINE),
    re.compile(rf"(?:\bto|\bfor|recipient|user|address(?:es)?|mailbox)[ \t]*[:\"']?\s*{_AN_ADDRESS}", re.IGNORECASE),
)
_OF_STAFF = re.compile(r"(?:postmaster|mailer-daemon|abuse|support|help|info-?desk|noreply|no-reply)@", re.IGNORECASE)
_EXPANDED = re.compile(r"^[ \t]*<?([^\s<>]{1,320})>?[ \t]*\n[ \t]*\(expanded from: (<?[^\s<>]{1,320})", re.MULTILINE)
_UNDELIVERED = re.compile(
    r"(?:could not|cannot|can.t|couldn.t|unable to|failed to|was not|were not|wasn.t|not been)(?: be)? deliver"
    r"|undeliverable|delivery failed",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"warning (?:message )?only|temporary failure report|will (?:be|continue to)(?: \S+){0,3} (?:retr|try|attempt)"
    r"|delayed|not yet been delivered|still being retried|postponed|do not need to resend|no need to re-?send",
    re.IGNORECASE,
)


def is_notice(message: OpenedMessage, notice: str) -> bool:
    """True for a notice about a message, judged by its sender, subject, headers and wording."""
    if message.parsed.get("X-Failed-Recipients"):
        return True
    subject, sender = message.header("Subject"), message.header("From")
    if _ANSWER.search(subject):
        return False
    answers = message.header("Auto-Submitted").lower().startswith("auto-replied") or "X-Autoreply" in message.parsed
    named = bool(_DAEMON.search(sender) or _SUBJECT.search(subject))
    says_so = _UNDELIVERED.search(notice[:4000]) or message.of_kind("text/rfc822-headers") or message.quotes_message
    if not answers and says_so and codes.reply(notice[:4000]):
        return True
    return named or (message.header("Return-Path") == "<>" and not answers) or _is_report(message)


def _is_report(message: OpenedMessage) -> bool:
    return message.parsed.get_content_type() == "multipart/report"


def notice_reports(message: OpenedMessage, notice: str, original: Quoted) -> list[Report]:
    """Return a report for each address that was not reached."""
    delayed, permanent = _flufl(message, notice)
    headers = ("To", "From", "Reply-To", "Return-Path", "Sender")
    ours = [*original.senders, *(found for name in headers for found in addresses(message.header(name)))]
    own = {found.lower() for found in ours}
    delayed, permanent = (_without(own, found) for found in (delayed, permanent))
    named = [found for value in message.header("X-Failed-Recipients").split(",") if (found := address(value))]
    recipients = (
        named
        or _and_others([*delayed, *permanent], notice, own)
        or _leading(notice, own)
        or _first_of(notice, original, own)
    )
    recipients = list({recipient.lower(): recipient for recipient in reversed(recipients)}.values())[::-1][
        :MAX_RECIPIENTS
    ]
    recipients = _as_sent(recipients, notice)
    temporary = {recipient.lower() for recipient in delayed}
    filtered = message.header("X-SPASIGN") == "NG"  # of KDDI: the recipient's filter refused it
    is_delay = filtered or bool(_DELAY.search(notice))
    reports = []
    for recipient in recipients:
        words = about(notice, recipient, recipients)
        late = recipient.lower() in temporary or is_delay
        kind, status = judging.judge(
            "delayed" if late else "failed", None, refusal(words), _context(notice, recipient, recipients)
        )
        reports.append(Report(kind, status, recipient, words))
    return reports


def _context(notice: str, recipient: str, recipients: list[str]) -> str:
    """Return the lines that name this address, such as RCPT TO; the whole notice if it has only one recipient."""
    if len(recipients) == 1:
        return notice
    return "\n".join(line for line in notice.splitlines() if recipient.lower() in line.lower())


def _as_sent(recipients: list[str], notice: str) -> list[str]:
    """Map the addresses that an alias or a list led to back to those that the message was sent to."""
    origin = {address(match[1]): address(match[2]) for match in _EXPANDED.finditer(notice)}
    return list(dict.fromkeys(origin.get(recipient) or recipient for recipient in recipients))


def _flufl(message: OpenedMessage, notice: str) -> tuple[list[str], list[str]]:
    try:
        delayed, permanent = all_failures(message_from_string(short(message.raw.decode("latin-1"))))
    except Exception:  # noqa: BLE001 - it parses hostile input, and may raise anything
        return [], []
    return _texts(delayed, notice), _texts(permanent, notice)


def _without(own: set[str], found: list[str]) -> list[str]:
    return [value for value in found if value.lower() not in own] or found


def _texts(found: Iterable[bytes | str], notice: str) -> list[str]:
    """Return the texts to search: the notice itself if it has any address, because the quoted original has some too."""
    values = [value.decode("ascii", "replace") if isinstance(value, bytes) else value for value in found]
    named = sorted(text for value in values if (text := address(value)))
    return [value for value in named if value.lower() in notice.lower()] or named


def _leading(notice: str, own: set[str]) -> list[str]:
    """Return addresses at the start of a line: with a colon after them, else alone or first on it, else named."""
    return next((found for pattern in _LEADS if (found := _listed(pattern, notice, own))), [])


def _listed(pattern: re.Pattern[str], notice: str, own: set[str]) -> list[str]:
    found = [address(match[1]) for match in pattern.finditer(notice)]
    others = [value for value in dict.fromkeys(found) if value and value.lower() not in own]
    return [value for value in others if not _OF_STAFF.match(value)][:MAX_RECIPIENTS]


def _and_others(recipients: list[str], notice: str, own: set[str]) -> list[str]:
    """Add the addresses that the notice lists in the same way but flufl.bounce may have missed."""
    listed = _listed(_LEADS[0], notice, own)
    alike = {value.lower() for value in listed} & {value.lower() for value in recipients}
    return [*recipients, *listed] if alike else recipients


def _first_of(notice: str, original: Quoted, own: set[str]) -> list[str]:
    """Fall back to the only address in the notice, or else to the recipient of the original."""
    others = [value for value in addresses(notice) if value.lower() not in own]
    return others[:1] or list(original.to)[:1] or addresses(notice)[:1]
