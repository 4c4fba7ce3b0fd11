"""What a refusal means: by phrase, by exact enhanced code, then by reply code; and whether it is for good."""

import re
from enum import StrEnum

from digest.bounces.reading import codes
from digest.bounces.reading.commands import Command, refused


class Cause(StrEnum):
    USER_UNKNOWN = "user unknown"
    HOST_UNKNOWN = "host unknown"
    MOVED = "moved"
    NO_MAIL = "takes no mail"
    HIDDEN = "refused without a reason"  # "user unknown" after DATA: some filters answer so
    MAILBOX_FULL = "mailbox full"
    DISABLED = "account disabled"
    AUTHENTICATION = "authentication"  # SPF, DKIM, DMARC, TLS, reverse name
    REPUTATION = "reputation"
    CONTENT = "content"
    RATE = "too many messages"
    POLICY = "policy"
    EXPIRED = "not delivered in time"
    NETWORK = "network"
    SYSTEM = "server fault"
    UNKNOWN = "unknown"


LASTING = frozenset({Cause.USER_UNKNOWN, Cause.HOST_UNKNOWN, Cause.MOVED, Cause.NO_MAIL})

# A server names the cause in its own language or slang; the first that matches decides. What speaks for the
# message or the mailbox's state comes before what speaks for the address, so that a doubt never loses a subscriber.
_PHRASES: tuple[tuple[Cause, str], ...] = (
    (
        Cause.MAILBOX_FULL,
        r"(?:mail ?box|mail ?folder|inbox|account|mail ?drop|user|recipient)(?: \S+){0,3} (?:is |was |'s )?(?:full|over)\b"
        r"|(?:full|overfull) (?:mail ?box|inbox)|mail ?box ?full|over[ -]?quota|quota (?:was |has been |is )?(?:exceed|full|violation)"
        r"|exceed\w*(?: \S+){0,4} (?:quota|storage|mail ?box|space)|(?:disk|storage|mail ?box)(?: \S+)? (?:quota|limit)"
        r"|(?:out of|insufficient|not enough|no)(?: \S+){0,2} (?:storage|disk|quota|space)|quota$|quota full"
        r"|too much mail|too full|(?:maximum|max)(?: \S+){0,3} (?:mailbox|storage)|mailbox size|quota excessive|full disk",
    ),
    (
        Cause.DISABLED,
        r"(?:account|mail ?box|user|recipient|address|subscriber|domain|e-?mail)(?: \S+){0,4} (?:disabled|suspended|inactive|locked"
        r"|deactivated|expired|frozen|closed|terminated|discontinued|not active|not activated|on hold|unpaid|barred)"
        r"|(?:disabled|inactive|suspended|deactivated|expired|locked|frozen|closed|dormant)(?: \S+)? (?:account|mail ?box|user|recipient|address)"
        r"|not (?:yet )?been activated|user suspended|suspended\b|mailbox temporarily|account.{0,20} temporarily unavailable",
    ),
    (
        Cause.AUTHENTICATION,
        r"\bdmarc\b|\bspf\b|\bdkim\b|unauthenticated|not authenticated|authentication (?:required|check|fail)|sender authentication"
        r"|reverse dns|\brdns\b|\bptr\b|reverse (?:lookup|mapping|name)|starttls|must issue|encryption|forward.confirmed"
        r"|not (?:registered )?in dns|resolv\w+ (?:the )?(?:sender|your|client)|cannot find your (?:reverse )?hostname|no reverse"
        r"|bad helo|\behlo\b|\bhelo\b",
    ),
    (
        Cause.REPUTATION,
        r"\bblock(?:ed|ing|list)?\b|black ?-?list|deny ?list|\bbl\b|\brbl\b|dnsbl|spamhaus|spamcop|barracuda|senderbase|reputation"
        r"|\bpoor\b|\bbanned\b|listed (?:at|by|in|on)|is listed|bad (?:ip|host|sender)|unsolicited|complaints?\b|spammer",
    ),
    (
        Cause.CONTENT,
        r"\bspam|\bjunk\b|\bvirus|malware|phish|infected|\bcontent\b|attachment|message (?:is )?too (?:big|large)|message size"
        r"|size limit|exceed\w*(?: \S+){0,4} size|too large|header (?:error|field)|rfc.?\d{3,4}|non-?compliant|bulk|trojan|worm\b|suspicious"
        r"|line too long|bare (?:lf|cr)|8.?bit|malformed|missing (?:a )?(?:valid )?(?:from|message-id|date|header)|profanity",
    ),
    (
        Cause.RATE,
        r"too many|rate.?limit|throttl|too (?:fast|frequent|often)|gr[ea]y.?list|deferred|try (?:again )?later|limit exceeded"
        r"|exceeded(?: \S+){0,3} (?:rate|limit|connections?)|resources restricted|unusual rate|receiving mail at a rate",
    ),
    (
        Cause.POLICY,
        r"\brelay(?:ing)? (?:access )?(?:is )?(?:denied|not|prohibited|forbidden)|(?:unable|not permitted|not allowed|cannot|refus\w+|denied) (?:to )?relay"
        r"|(?:do not|not|no) relay\b|not (?:a |an )?relay|relaying(?: \S+)? (?:denied|not)|polic(?:y|ies)|not allowed|not permitted"
        r"|permission|not authori[sz]ed|unauthori[sz]ed|prohibited|forbidden|restrict(?:ed|ion)|sender (?:address )?(?:is )?(?:rejected|denied|not|invalid|refused|does)"
        r"|sender (?:verif|was reject)|recipient preferences|refused|only accepts? mail|(?:invalid|bad|unknown) sender|domain of sender"
        r"|from: ?domain|not accepting (?:mail|messages)|closed (?:list|group)|moderat|local policy|rejected (?:by|due|for)(?! recipient)|not accept(?:ed|ing)? (?:mail|messages?) from",
    ),
    (
        Cause.MOVED,
        r"has moved|(?:has|was|address) (?:been )?changed|no longer (?:at|with|here)|moved to|new (?:e-?mail )?address",
    ),
    (
        Cause.NO_MAIL,
        r"null ?mx|(?:does|do|will) ?n[o']t (?:accept|receive|take|handle) (?:any )?e?-?mail|accepts? no mail|no mail (?:service|here)"
        r"|smtp protocol is not|doesn.t receive email|name server: \.: host not found",
    ),
    (
        Cause.HOST_UNKNOWN,
        r"(?:host|domain|mx)(?: \S+){0,2}? (?:is |was |could |can )?(?:not? |n't |un)(?:known?\b|found|exist|be found|valid|resolv)"
        r"|(?:unknown|no such|invalid|bad|unrouteable|unroutable|illegal)(?: \S+){0,2} (?:host|domain|mail domain|dns)|nxdomain|unrouteable|unroutable"
        r"|domain does not exist|domain is not reachable|couldn.t find any host|no (?:mx|dns|a record)|dns (?:error|lookup)|non-?existent (?:host|domain)|all relevant mx",
    ),
    (
        Cause.USER_UNKNOWN,
        r"(?:user|account|recipient|mail ?box|address|addressee|alias|local part|name|person|userid|subscriber|customer|group)(?: \S+){0,5}? "
        r"(?:is |was |could |can |are )?(?:not? |n't |un)(?:known?\b|found|exist|valid|recogni|listed|available here|be found|a (?:valid|known)|match)"
        r"|(?:unknown|no such|invalid|nonexistent|non-existent|unrecogni[sz]ed|illegal|bad|undeliverable|incorrect|wrong)"
        r"(?: \S+){0,3}? (?:user|account|recipient|mail ?box|address|addressee|alias|local|name|person|userid|destination)"
        r"|(?:does|do|did)(?: not|n't) exist|doesn.t have an?(?: \S+){1,2} account|(?:user|address)(?:name)? unknown|no mailbox"
        r"|(?:not|isn.t|no longer|wasn.t) (?:a )?(?:valid|known|found|recogni[sz]ed|a (?:valid|known))|unknown to|no (?:matches|matching|account)"
        r"|not listed in|cannot find|can.t find (?:a )?(?:user|mailbox)|not our customer|not a local|user has been removed|deleted"
        r"|recipnotfound|does not have (?:a|an) |no valid recipient|vrfy|there is no|delivery to(?: \S+){1,3} failed: no",
    ),
    (
        Cause.NETWORK,
        r"connect\w* (?:timed|refused|reset|closed|lost|dropped|fail)|lost connection|timed? ?out|timeout|unreachable|no route|unable to connect"
        r"|could ?n[o']t connect|did not accept our|socket error|hop count|too many hops|loop(?:ing|s)?\b|network|not respond|connection",
    ),
    (
        Cause.EXPIRED,
        r"expired|too long|giving up|gave up|undeliverable for|(?:has been|was|is) delayed|retry timeout|delay(?:ed)?\b|not been delivered"
        r"|could not be delivered for|in the queue|multiple retries|still being retried|retried",
    ),
    (
        Cause.SYSTEM,
        r"local (?:error|problem)|system (?:error|problem|config)|(?:server|service|internal|temporar)\w*(?: \S+){0,2} (?:error|fail|unavailable|problem)|can.t create"
        r"|config\w* error|unknown error|mailer|permission denied|no such file|read-only",
    ),
)
_COMPILED = tuple((cause, re.compile(pattern)) for cause, pattern in _PHRASES)

_BY_CODE = {
    "1.0": Cause.UNKNOWN, "1.1": Cause.USER_UNKNOWN, "1.2": Cause.HOST_UNKNOWN, "1.3": Cause.USER_UNKNOWN,
    "1.4": Cause.POLICY, "1.6": Cause.MOVED, "1.7": Cause.POLICY, "1.8": Cause.POLICY, "1.9": Cause.POLICY,
    "1.10": Cause.NO_MAIL, "2.1": Cause.DISABLED, "2.2": Cause.MAILBOX_FULL, "2.3": Cause.CONTENT, "2.4": Cause.SYSTEM,
    "4.1": Cause.NETWORK, "4.2": Cause.NETWORK, "4.4": Cause.HOST_UNKNOWN, "4.6": Cause.NETWORK, "4.7": Cause.EXPIRED,
    "3.1": Cause.SYSTEM, "3.4": Cause.CONTENT, "7.13": Cause.DISABLED,
}  # fmt: skip
_BY_SUBJECT = {"6": Cause.CONTENT, "7": Cause.POLICY, "4": Cause.NETWORK, "3": Cause.SYSTEM}
_EXACT_ADDRESS = re.compile(r"5\.(?:1\.[1-36]|1\.10|2\.1)")

_NOT_PROSE = re.compile(r"https?://\S+|\S{0,300}@\S{0,300}|(?<![\w.])[\w-]+(?:\.[\w-]+){2,}(?![\w])|\[[\w.: ]+\]")
_SPACES = re.compile(r"[\s*_>|]+")
_EXPLICIT = re.compile(  # can be said of an address only, whatever the command was
    r"doesn.t have an?(?: \S+){1,2} account|account that you tried to reach does not exist|no mailbox here by that name"
)


def prose(diagnostic: str) -> str:
    """The words of a diagnostic, in lower case, without addresses, links, host names and codes."""
    return _SPACES.sub(" ", _NOT_PROSE.sub(" x ", diagnostic[:2000])).lower()


def phrase(diagnostic: str) -> Cause:
    """The cause that its wording names."""
    words = prose(diagnostic)
    return next((cause for cause, pattern in _COMPILED if pattern.search(words)), Cause.UNKNOWN)


def cause(status: str | None, diagnostic: str, context: str = "") -> Cause:
    """Why it was refused; `context` is the rest of the notice, which may show the SMTP command."""
    named, exact = phrase(diagnostic), bool(status and _EXACT_ADDRESS.fullmatch(status))
    if named is Cause.UNKNOWN or (named in (Cause.NETWORK, Cause.EXPIRED, Cause.SYSTEM) and not codes.vague(status)):
        named = by_code(status) if by_code(status) is not Cause.UNKNOWN else named
    if named is Cause.USER_UNKNOWN and not exact and not _at_recipient(status, diagnostic, context):
        return Cause.HIDDEN
    return named


def by_code(status: str | None) -> Cause:
    """The cause that an enhanced code stands for."""
    if not status:
        return Cause.UNKNOWN
    _, subject, detail = status.split(".", 2)
    return _BY_CODE.get(f"{subject}.{detail}", _BY_SUBJECT.get(subject, Cause.UNKNOWN))


def _at_recipient(status: str | None, diagnostic: str, context: str) -> bool:
    """Whether the address itself was refused: at RCPT, or by a server that quotes no other server."""
    if _EXPLICIT.search(prose(diagnostic)):
        return True
    if status and status.startswith("5.7."):
        return False
    command = refused(diagnostic, context)
    return command is Command.RECIPIENT or (command is Command.UNSHOWN and codes.reply(diagnostic) is None)
