"""The wording of servers' replies by cause: parts of regular expressions over lower-case prose (see causes.prose)."""

import re

from digest.bounces.reading.cause import Cause

_A_MAILBOX = r"(?:account|mail ?box|mail ?folder|mail ?drop|inbox|user|recipient|address|addressee|subscriber|customer)"
_NOT = r"(?:(?:is|was|are|does|do|did|could|ca|has|have|were)n.?t|(?:could|can) ?not|not|no longer)"
_FOUND = r"(?:found|exists?|known|valid|recogni\w+|listed|available|match|registered)"
_BAD = "unknown|no such|invalid|non-?existent|unrecogni[sz]ed|illegal|bad|incorrect|wrong|undefined"
_ENDED = (
    r"(?:disabled|suspended|inactive|locked|deactivated|expired|frozen|closed|terminated|discontinued|barred|archived)"
)

# Causes in the message, the sender or the state of the mailbox. The first match decides.
PASSING: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    (
        Cause.SYSTEM,
        (r"mailer error", r"command (?:died|failed|output)", r"exit(?:ed)?(?: with)? status", r"program failed"),
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
            rf"{_A_MAILBOX}(?: \S+){{0,3}} (?:not active|on hold|temporarily)",
            r"\bsuspended\b",
            r"no longer accepts mail",
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
            r"black ?-?list",
            r"deny ?list",
            r"\b[dr]?bl\b",
            r"dnsbl",
            r"spamhaus",
            r"spamcop",
            r"barracuda",
            r"senderbase",
            r"reputation",
            r"\bpoor\b",
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
            r"header (?:error|field)",
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
            r"rate that",
        ),
    ),
    (
        Cause.POLICY,
        (
            r"relay(?:ing)?(?: \S+){0,2} (?:denied|prohibited|forbidden|not allowed|not permitted|disabled)",
            r"relaying (?:is )?(?:denied|mail)",
            r"(?:unable|not permitted|not allowed|cannot|refus\w+|denied|not|don.t|no) (?:to )?relay",
            r"allowed rcpthosts",
            r"\bpolic(?:y|ies)\b",
            r"not (?:allowed|permitted)",
            r"permission",
            r"not authori[sz]ed",
            r"unauthori[sz]ed",
            r"prohibited",
            r"forbidden",
            r"restrict(?:ed|ion)",
            r"access denied|権限",
            r"recipient preferences",
            r"(?:invalid|bad|unknown) sender",
            r"moderat",
            r"sender(?: \S+){0,2} (?:rejected|denied|invalid|refused|does|not|unknown|verif)",
            r"domain of sender",
            r"only accepts? mail",
            r"from: ?domain",
            r"not accepting (?:mail|messages)",
            r"not accept(?:ed|ing)? (?:mail|messages?) from",
            r"closed (?:list|group)",
            r"rejected (?:for|due)",
            r"security",
            r"mail from domain",
            r"return ?path",
            r"envelope sender",
        ),
    ),
)

# Causes in the address or its domain: permanent, unless a pattern above matches too.
ADDRESS: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    (
        Cause.MOVED,
        (
            r"has moved",
            r"address(?: \S+){0,2} (?:been )?changed",
            r"no longer (?:at|with|works)\b",
            r"moved to",
            r"new (?:e-?mail )?address",
        ),
    ),
    (
        Cause.NO_MAIL,
        (
            r"null ?mx",
            rf"{_NOT}(?: \S+)? (?:accept|receive|take|handle) (?:any )?(?:e?-?mail|messages)",
            r"accepts? no mail",
            r"no (?:mail|smtp) service",
            r"reject all mail",
            r"smtp protocol is not",
            r"not accept(?:ing)? any mail",
        ),
    ),
    (
        Cause.HOST_UNKNOWN,
        (
            rf"(?:host|domain|dns|mx)(?: \S+){{0,2}}? {_NOT} (?:found|exist|known|valid|be found|resolv\w*|reachable)",
            r"(?:host|domain)(?: name)? (?:unknown|not found)",
            rf"(?:{_BAD}) (?:mail )?(?:host|domain)",
            r"host\W{0,2}domain name",
            r"nxdomain|unroute?able|couldn.t find any host|dns error|name service error",
            r"host address lookups failed|mx records? point|domain may not exist",
        ),
    ),
    (
        Cause.USER_UNKNOWN,
        (
            rf"{_A_MAILBOX}(?:name)?(?: \S+){{0,4}}? {_NOT}(?: \S+){{0,2}}? {_FOUND}",
            rf"{_A_MAILBOX}(?:name)?(?: \S+){{0,3}}? (?:{_BAD}|undeliverable|unavailable)",
            rf"(?:{_BAD})(?: \S+){{0,3}}? {_A_MAILBOX}",
            rf"(?:{_BAD})(?: \S+){{0,3}}? (?:name|alias|person|userid|local|destination|id|login|employee|here)\b",
            rf"{_NOT} (?:a )?(?:valid|known|existing|legal) (?:user|mail|address|recipient|account|local)",
            r"does(?: not|n.?t) have an?(?: \S+){0,2} (?:account|mail)",
            r"not exist|not exactly match|n.t exist|may not exist|\bno mailbox|unknown:|unknown in|is unknown",
            r"(?:not listed|not found) (?:in|at|on|by)\b|wasn.t found|recip(?:ient)?notfound",
            r"no (?:matches|matching|account|user|recipient)\b|cannot find (?:a )?(?:user|mailbox)",
            r"(?:has been|was|is) (?:removed|deleted)|no longer (?:valid|exists?|available|in use|employed)",
            r"not our (?:customer|user)|not a local|there is no",
            r"unbekannt|existiert nicht|n.existe pas|inconnu|non r.pertori|no existe|desconocid|non esiste",
            r"sconosciut|não existe|desconhecid|onbekend|bestaat niet",
            r"存在しません|見つかりません|宛先不明|不存在|не существует|не найден",
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
            r"hop count",
            r"too many hops",
            r"\bloop",
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

# Wording of a mere guess, in the languages above.
SUPPOSED = re.compile(
    r"möglicherweise|vielleicht|peut-être|il se peut|quizá|puede que|talvez|pode não|forse|potrebbe|mogelijk|misschien"
    r"|可能|かもしれ|возможно|может"
)

# Wording that is only about an address, whichever command was refused.
EXPLICIT = re.compile(
    r"does(?: not|n.?t) have an? (?:\S+ ){0,2}account|account that you tried to reach does not exist"
    r"|no mailbox here by that name|no such mailbox"
)


def compiled(table: tuple[tuple[Cause, tuple[str, ...]], ...]) -> tuple[tuple[Cause, re.Pattern[str]], ...]:
    """Return each cause with one pattern that joins all its parts."""
    return tuple((cause, re.compile("|".join(pieces))) for cause, pieces in table)
