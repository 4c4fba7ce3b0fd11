"""Wordings for lasting causes, as pieces of regular expressions over lower-case prose (see causes.prose).

Of a domain or an address: for good, if no wording for a passing cause speaks against it.
"""

import re

from digest.bounces.reading.cause import Cause

_A_MAILBOX = (
    r"(?:account|mail ?box|mail ?folder|mail ?drop|inbox|user|recipient|address|addressee|subscriber|customer"
    r"|person|employee|member|local ?part|(?:e-?mail|mail|user|account|login) ?name)"
)
_NOT = r"(?:(?:is|was|are|does|do|did|could|ca|has|have|were)n.?t|(?:could|can) ?not|not|no longer)"
_FOUND = (
    r"(?:found|exists?|known|valid|recogni\w+|listed|available|match|registered|present|local|ok\b|accepted|correct\b"
    r"|active(?: \S+)? at|in (?:service|use|our|the)\b)"
)
_BAD = (
    "unknown|no such|invalid|non-? ?existent|nonexisting|unrecogni[sz]ed|illegal|bad|incorrect|wrong|undefined"
    "|no (?:valid|known|active)"
)
_HOST = r"(?:hosts?|domains?|dns|mx)"
_TAKE = r"(?:accept|receive|take|handle)\w*"
_ELSEWHERE = (  # by language: German, French, Spanish, Italian, Portuguese, Dutch, Nordic, Slavic, Turkish, East Asian
    r"unbekannt|existiert nicht|nicht gefunden|kein(?:e|en)? (?:solche|benutzer|empf.nger|postfach)",
    r"n.existe pas|inconnu|non r.pertori|introuvable|destinataire invalide",
    r"no existe|desconocid|inexistente|no encontrad|no se (?:encontr|pudo encontrar|ha encontrado)",
    r"non esiste|inesistent|sconosciut|nessun utente|não existe|desconhecid|não encontrad|onbekend|bestaat niet",
    r"finns inte|ok.nd (?:mottagare|anv.ndare)|findes ikke|finnes ikke|ukendt|ukjent|ei l.ydy|tuntematon",
    r"nie ma takiego|nie istnieje|brak (?:takiego|u.ytkownika)|neexistuje|nem l.tezik|ismeretlen",
    r"не существует|не найден|неизвестн|не існує|не знайден|bulunamad|ge.ersiz al.c",
    r"存在しません|見つかりません|リストにありません|登録されていません|(?:宛|あて)先不明|不存在|[无無]此|查[无無]|无效|無效",
    r"존재하지 않|없는 사용자",
)

LASTING_WORDS: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    (
        Cause.MOVED,
        (
            r"has moved|moved to|(?:been )?replaced (?:by|with)",
            r"address(?: \S+){0,2} (?:been )?changed|new (?:e-?mail )?address",
            r"no longer (?:at|with|works|employed|on (?:this )?server)\b|(?:has|have) left (?:the|our|us)\b",
        ),
    ),
    (
        Cause.NO_MAIL,
        (
            r"null ?mx",
            rf"(?:{_HOST}|server|system)\S*(?: \S+){{0,2}}? {_NOT}(?: \S+)? {_TAKE} (?:any )?(?:e?-?mail|messages)",
            r"address no longer accepts|accepts? no mail|no (?:mail|smtp) service|reject all mail",
            r"smtp protocol (?:is not|returned a permanent)",
            r"no (?:valid |usable )?mx\b|(?:no|find an?|find any) (?:valid )?mail exchanger",
        ),
    ),
    (
        Cause.HOST_UNKNOWN,
        (
            rf"{_HOST}(?: \S+){{0,2}}? {_NOT} (?:found|exist|known|valid|be found|resolv\w*|reachable)",
            rf"{_HOST}(?: name)? (?:unknown|not found|must exist|unreachable)",
            rf"(?:{_BAD}) (?:mail )?{_HOST}\b",
            r"host\W{0,2}domain name|(?:name|service) not known",
            r"nxdomain|non-?existent ?domain|unroute?able (?!mail domain|sender)|couldn.t find any host",
            r"dns error(?!: could not)",
            r"name service error|host address lookups failed|mx records? point|domain may not exist",
            r"domain(?: \S+){0,5} is unknown",
        ),
    ),
    (
        Cause.USER_UNKNOWN,
        (
            rf"{_A_MAILBOX}(?:name)?(?: \S+){{0,4}}? {_NOT}(?: \S+){{0,2}}? {_FOUND}",
            rf"{_A_MAILBOX}(?:name|e?s)?(?: \S+){{0,3}}? (?:{_BAD}|undeliverable|unavai\w*)",
            rf"(?:{_BAD})(?: \S+){{0,3}}? {_A_MAILBOX}|user ?unknown|unknown ?user",
            rf"(?:{_BAD})(?: \S+){{0,3}}? (?:name|alias|person|userid|local|destination|id|login|employee|here)\b",
            rf"{_NOT} (?:a )?(?:valid|known|existing|legal|active|deliverable) (?:{_A_MAILBOX}|mail|local)",
            rf"{_NOT} (?:an? )?(?:active )?{_A_MAILBOX}(?: \S+)? (?:here|at|on|of)\b",
            r"mail ?box (?:name )?(?:is )?not allowed",
            r"does(?: not|n.?t) have an?(?: \S+){0,2} (?:account|mail)|(?:not|n.t) have (?:such|any) |no record of",
            r"not exist|not exactly match|n.t exist|may not exist|\bno mail ?box|unknown:|unknown in|is unknown",
            r"(?:not listed|not found) (?:in|at|on|by)\b|wasn.t found|recip(?:ient)?notfound|\bx\W{0,3} not found",
            r"no (?:matches|matching|account|user|recipient)\b|cannot find (?:a )?(?:user|mailbox)|missing home",
            r"no (?:x|\w+) in (?:name )?directory|(?:no one|nobody) (?:here|at|by|with)\b",
            r"(?:has been|was|is) (?:removed|deleted)|no longer (?:valid|exists?|available|in use)",
            r"user not active|(?:mail ?box|address)(?: is)? inactive|inactive (?:e-?mail )?address",
            r"not our (?:customer|user)|not a local|there is no|user not local",
            r"bad ?(?:rcpt|recipient)to\b|valid ?rcptto|envelope recipient|rejected (?:the )?recipients",
            *_ELSEWHERE,
        ),
    ),
)

# Wording of a mere guess, in some languages.
SUPPOSED = re.compile(
    r"möglicherweise|vielleicht|peut-être|il se peut|quizá|puede que|talvez|pode não|forse|potrebbe|mogelijk|misschien"
    r"|可能|かもしれ|возможно|может"
)

# Of an address only, whatever command was refused.
EXPLICIT = re.compile(
    r"does(?: not|n.?t) have an? (?:\S+ ){0,2}account|account that you tried to reach does not exist"
    r"|address could ?n.t be found|no mailbox here by that name|no such mailbox"
)
