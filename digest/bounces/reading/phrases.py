"""Wordings for causes that pass, as pieces of regular expressions over lower-case prose (see causes.prose)."""

import re

from digest.bounces.reading.cause import Cause

_A_MAILBOX = r"(?:account|mail ?box|mail ?folder|mail ?drop|inbox|user|recipient|address|addressee|subscriber|customer)"
_ENDED = r"(?:disabled|suspended|locked|deactivated|expired|frozen|closed|terminated|discontinued|barred|archived)"

# Causes that speak of the message, the sender or the mailbox's state. The first that matches decides.
PASSING: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    (
        Cause.SYSTEM,
        (
            r"mailer error|command (?:died|failed|output)|exit(?:ed)?(?: with)? status|program failed|software error",
            r"(?:can.t|cannot|can ?not|unable to) (?:create|open|append|write|access (?:mail ?box|file))",
            r"permission denied|input/output|i/o error|\bprocmail|\bmaildrop\b|mail\.local",
        ),
    ),
    (
        Cause.NETWORK,
        (
            r"\bloop|loopback|too many hops|hop count",
            r"not found, try again|(?<!type=mx: )malformed or unexpected name server",
        ),
    ),
    (
        Cause.MAILBOX_FULL,
        (
            rf"{_A_MAILBOX}(?: \S+){{0,3}} (?:full|overfull|over)\b",
            r"\b(?:full|overfull) (?:mail ?box|inbox)",
            r"mail ?box ?full",
            r"\b(?:voll|pleine|llen[ao]|piena|cheia|vol)\b",
            r"一杯|容量|已满|переполнен",
            r"over ?(?:disk )?-?quota",
            r"\bquota\b",
            r"exceed\w*(?: \S+){0,4} (?:storage|mail ?box|space)",
            r"(?:disk|storage|mail ?box)(?: \S+)? (?:limit|size)",
            r"too much mail",
            r"\bdisk full",
            r"full disk",
            r"(?:out of|insufficient|not enough|lack of|no)(?: \S+){0,3} (?:storage|disk|space)",
            r"(?:storage|space)(?: \S+){0,2} (?:exceeded|exhausted|full)",
            r"number of messages(?: \S+){0,4} exceed",
        ),
    ),
    (
        Cause.DISABLED,
        (
            rf"{_A_MAILBOX}(?: \S+){{0,6}} {_ENDED}",
            rf"{_ENDED}(?: \S+){{0,2}} {_A_MAILBOX}",
            r"not (?:yet )?been activated",
            rf"{_A_MAILBOX}(?: \S+){{0,3}} (?:on hold|temporarily)",
            r"(?:account|user)(?: is)? inactive|inactive (?:account|user)",
            r"\bsuspended\b",
        ),
    ),
    (
        Cause.FILTER,
        (
            r"recipient(?:.s)? (?:preferences|settings|filter)|user (?:reject|rules)|privacy settings",
            r"only accept(?:s|ing)? (?:e?-?mail|messages)|account is protected|refuses? to (?:receive|accept)",
            r"(?:blocked|rejected|refused|declined) by (?:the )?(?:recipients?|user|addressee)(?:$|[.,;:)]| \W)",
            rf"{_A_MAILBOX}(?: \S+){{0,2}} (?:is not|isn.t) accepting",
        ),
    ),
    (
        Cause.AUTHENTICATION,
        (
            r"\bdmarc\b",
            r"\bspf\b",
            r"\bdkim\b",
            r"unauthenticated",
            r"not authenticated",
            r"authentication (?:required|check|fail)",
            r"sender (?:authentication|id)",
            r"reverse (?:dns|lookup|mapping|name|hostname)",
            r"\brdns\b",
            r"\bptr\b",
            r"starttls",
            r"encryption",
            r"(?:cannot|can.t|could not|unable to) (?:find|resolve) your",
            r"\b(?:ehlo|helo)\b",
            r"\btls\b",
        ),
    ),
    (
        Cause.REPUTATION,
        (
            r"\bblock(?:ed|ing|list|listed)?\b",
            r"(?<!may be )black ?-?list",
            r"deny ?list",
            r"\b[dr]?bl\b",
            r"dnsbl",
            r"spamhaus",
            r"spamcop",
            r"barracuda",
            r"senderbase",
            r"reputation",
            r"\bpoor\b",
            r"no access|open (?:relay|proxy)",
            r"\bbanned\b",
            r"listed (?:at|by|on)",
            r"is listed",
            r"unsolicited",
            r"bad (?:ip|sender)",
            r"complaints?\b",
            r"spammer",
            r"\babus(?:e|ive)\b",
            r"your (?:ip|host|server|network)\b",
        ),
    ),
    (
        Cause.CONTENT,
        (
            r"\bspam",
            r"\bjunk\b",
            r"\bvirus",
            r"malware",
            r"phish",
            r"infected",
            r"\bcontent\b",
            r"attachment",
            r"too (?:big|large)",
            r"message (?:size|length)",
            r"size limit",
            r"exceed\w*(?: \S+){0,4} (?:size|length)",
            r"header (?:error|field)|(?:bad|invalid|illegal|missing) (?:header|url)",
            r"non-?compliant",
            r"\bbulk\b",
            r"trojan",
            r"\bworm\b",
            r"suspicious",
            r"line too long",
            r"bare (?:lf|cr)",
            r"malformed",
            r"profanity",
            r"missing(?: \S+){0,3} (?:from|message-id|date|header)",
            r"message (?:was )?(?:filtered|refused|rejected)",
            r"\brfc \d",
        ),
    ),
    (
        Cause.RATE,
        (
            r"too many (?!hops)",
            r"rate.?limit|frequency",
            r"throttl",
            r"too (?:fast|frequent|often)",
            r"gr[ea]y.?list",
            r"try (?:again )?later",
            r"exceeded(?: \S+){0,3} (?:rate|limit|connections?)",
            r"unusual rate",
            r"receiving mail at a rate",
            r"rate that|per (?:hour|minute|day|session|connection)\b|too (?:quickly|much traffic)|threshold",
            r"(?:excessive|unexpected|unusual) (?:volume|number)",
            r"exceed\w*(?: \S+){0,5} (?:messages|recipients|sessions)\b",
            r"max(?:imum)?(?: number of)? (?:messages|recipients|connections)|temporarily deferred",
        ),
    ),
    (
        Cause.SENDER,
        (
            r"relay(?:ing)?(?: \S+){0,2} (?:denied|prohibited|forbidden|not allowed|not permitted|disabled)",
            r"relaying (?:is )?(?:denied|mail)",
            r"(?:unable|not permitted|not allowed|cannot|refus\w+|denied|not|don.t|no) (?:to )?relay",
            r"allowed rcpthosts",
            r"(?:invalid|bad|unknown|bogus|null|empty|unrout\w+|non-?existent)(?: envelope)? (?:sender|mail ?from)",
            r"sender(?: \S+){0,2} (?:rejected|denied|invalid|refused|does|not|unknown|verif)",
            r"(?:of|your) sender\b|sender(?:.s)? (?:address|domain)|(?:your|sending) (?:e-?mail )?address",
            r"you are not an?\b|from an? (?:unknown|invalid)|unknown client",
            r"(?:from: ?|mail from )domain|return ?path|envelope (?:sender|blocked)|mail from not",
        ),
    ),
    (
        Cause.POLICY,
        (
            r"\bpolic(?:y|ies)\b",
            r"(?<!box )(?<!box is )(?<!box name )not (?:allowed|permitted)",
            r"permission",
            r"not authori[sz]ed",
            r"unauthori[sz]ed",
            r"prohibited",
            r"forbidden",
            r"restrict(?:ed|ion)",
            r"access denied|権限",
            r"moderat",
            r"not accepting (?:mail|messages)",
            r"not accept(?:ed|ing)? (?:mail|messages?) from",
            r"closed (?:list|group)",
            r"rejected (?:for|due)",
            r"security",
        ),
    ),
)

# Wording that only says that the message did not arrive.
TRANSPORT: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    (
        Cause.NETWORK,
        (
            r"connect\w* (?:timed|refused|reset|closed|lost|dropped|fail)",
            r"lost connection",
            r"timed? ?out",
            r"timeout",
            r"unreachable",
            r"no route",
            r"(?:unable|not able|could ?n.t|failed) (?:to )?connect",
            r"socket error",
        ),
    ),
    (
        Cause.EXPIRED,
        (
            r"expired",
            r"too long",
            r"giving up",
            r"gave up",
            r"retry timeout",
            r"delay(?:ed)?\b",
            r"in the queue",
            r"\d attempts",
            r"retri",
        ),
    ),
    (
        Cause.SYSTEM,
        (
            r"local (?:error|problem)",
            r"system (?:error|problem|config)",
            r"configuration",
            r"\berror\b",
            r"no such file",
        ),
    ),
)


def compiled(table: tuple[tuple[Cause, tuple[str, ...]], ...]) -> tuple[tuple[Cause, re.Pattern[str]], ...]:
    """Each cause with one pattern for all its pieces."""
    return tuple((cause, re.compile("|".join(pieces))) for cause, pieces in table)
