"""Failure notices in plain words: no standard fields, but addresses and what a server said of them."""

import re
from collections.abc import Iterable

from flufl.bounce import all_failures

from digest.bounces.reading import judging
from digest.bounces.reading.fields import about, address, addresses, refusal
from digest.bounces.reading.opened import OpenedMessage
from digest.bounces.reading.quoting import Quoted
from digest.bounces.report import Report

MAX_RECIPIENTS = 100

_DAEMON = re.compile(
    r"mailer-?daemon|postmaster|mail.?delivery|mail.?system|mdaemon|(?:^|<)>?$|@bounce|delivery sub", re.IGNORECASE
)
_SUBJECT = re.compile(
    r"undeliver|deliver\w* (?:fail|status|notif|report|problem|error|has failed|warning|delay)|fail\w* (?:notice|deliver|notif)"
    r"|returned? (?:mail|message|to sender)|could not be delivered|not deliver|fail\w*.{0,30}deliver|deliver.{0,30}fail|non.?remis"
    r"|mail (?:error|failure|system error|delivery)|message (?:delayed|status)|warning: (?:could not|message)|bounced|rejected|non.?delivery"
    r"|unzustellbar|エラー|不達|退信|退回|失败|失敗|ошибк|недостав|non remis|échec|nicht zugestellt|non recapit|no se ha podido|mail could not|failure notice|nondeliverable|notice: mail delivery",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"^(?:re: *)?(?:auto(?:matic|mated)?[- ]?(?:reply|response|matische)|out of (?:the )?office|away|vacation|abwesen)",
    re.IGNORECASE,
)
_LEADS = re.compile(
    r"<([^<>\s]{1,64}@[^<>\s]{1,253})>[ \t]*:?|^[ \t>*\"'-]*([^\s<>\"'():;,]{1,64}@[^\s<>\"'():;,]{1,253})",
    re.MULTILINE,
)
_EXPANDED = re.compile(r"([^\s<>]{1,320})>?\s{1,80}\(expanded from: (<?[^\s<>]{1,320})")
_DELAY = re.compile(
    r"warning (?:message )?only|temporary failure report|will (?:be|continue to)(?: \S+){0,3} (?:retr|try|attempt)|delayed|not yet been delivered"
    r"|still being retried|postponed|do not need to resend|no need to re-?send",
    re.IGNORECASE,
)


def is_notice(message: OpenedMessage) -> bool:
    """Whether a mail server wrote it to tell of a message, by its sender, subject and headers."""
    if message.parsed.get("X-Failed-Recipients"):
        return True
    subject, sender = message.header("Subject"), message.header("From")
    if _ANSWER.search(subject):
        return False
    answers = message.header("Auto-Submitted").lower().startswith("auto-replied") or bool(
        message.parsed.get("X-Autoreply")
    )
    named = bool(_DAEMON.search(sender) or _SUBJECT.search(subject))
    return named or (message.header("Return-Path") == "<>" and not answers) or _is_report(message)


def _is_report(message: OpenedMessage) -> bool:
    return message.parsed.get_content_type() == "multipart/report"


def notice_reports(message: OpenedMessage, notice: str, original: Quoted) -> list[Report]:
    """One for each address that the notice says was not reached."""
    delayed, permanent = _flufl(message, notice)
    own = {
        found.lower()
        for name in ("To", "From", "Reply-To", "Return-Path", "Sender")
        for found in addresses(message.header(name))
    }
    named = [found for value in message.header("X-Failed-Recipients").split(",") if (found := address(value))]
    recipients = named or [*delayed, *permanent] or _leading(notice, own) or _first_of(notice, original, own)
    recipients = list({recipient.lower(): recipient for recipient in reversed(recipients)}.values())[::-1][
        :MAX_RECIPIENTS
    ]
    recipients = _as_sent(recipients, notice)
    temporary = {recipient.lower() for recipient in delayed}
    reports = []
    for recipient in recipients:
        words = about(notice, recipient, recipients)
        late = recipient.lower() in temporary or bool(_DELAY.search(notice))
        kind, status = judging.judge(
            "delayed" if late else "failed", None, refusal(words), notice if len(recipients) == 1 else ""
        )
        reports.append(Report(kind, status, recipient, words))
    return reports


def _as_sent(recipients: list[str], notice: str) -> list[str]:
    """The addresses that we wrote to, for those to which an alias or a list has led from there."""
    origin = {address(match[1]): address(match[2]) for match in _EXPANDED.finditer(notice)}
    return list(dict.fromkeys(origin.get(recipient) or recipient for recipient in recipients))


def _flufl(message: OpenedMessage, notice: str) -> tuple[list[str], list[str]]:
    try:
        delayed, permanent = all_failures(message.parsed)
    except Exception:  # noqa: BLE001 - it reads what strangers wrote, and has no list of what it may raise
        return [], []
    return _texts(delayed, notice), _texts(permanent, notice)


def _texts(found: Iterable[bytes | str], notice: str) -> list[str]:
    """Those that the notice itself names, if it names any: the quoted original has addresses as well."""
    values = [value.decode("ascii", "replace") if isinstance(value, bytes) else value for value in found]
    named = sorted(text for value in values if (text := address(value)))
    return [value for value in named if value.lower() in notice.lower()] or named


def _leading(notice: str, own: set[str]) -> list[str]:
    """Addresses in angle brackets or at the start of a line."""
    found = [match[1] or match[2] for match in _LEADS.finditer(notice[:20_000])]
    plain = [text for value in found if (text := address(value))]
    return [value for value in dict.fromkeys(plain) if value.lower() not in own][:MAX_RECIPIENTS]


def _first_of(notice: str, original: Quoted, own: set[str]) -> list[str]:
    """Else the only address it names, else whom the original was for."""
    others = [value for value in addresses(notice[:20_000]) if value.lower() not in own]
    return others[:1] or list(original.to)[:1] or addresses(notice[:20_000])[:1]
