"""Turns what people type into an address that mail servers take, or says what is wrong with it. Pure."""

import re
from collections.abc import Iterable
from email.utils import parseaddr
from functools import lru_cache

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from digest.language import Message, UserError, _
from digest.text import ascii_forms, parse_domain

MAX_ADDRESS = 254  # RFC 5321 §4.5.3.1.3: a path is at most 256 octets with its angle brackets
MAX_LOCAL = 64  # §4.5.3.1.1

# RFC 5321 §4.1.2 dot-string and host name. Quoted local parts, comments and address literals are left out on purpose:
# they are not in use, and each has been a way to smuggle something into an SMTP command.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_MAILBOX = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")

_PLAIN_LOCAL = re.compile(r"(?=.{1,64}$)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
_PLAIN_DOMAIN = re.compile(r"(?:[a-z0-9][a-z0-9-]*\.)+[a-z]+")

_SLIPS = {
    "gmail.con": "gmail.com",
    "gmail.co": "gmail.com",
    "gmail.cm": "gmail.com",
    "gmai.com": "gmail.com",
    "gmal.com": "gmail.com",
    "gmial.com": "gmail.com",
    "gnail.com": "gmail.com",
    "gmail.comm": "gmail.com",
    "googlemail.con": "googlemail.com",
    "hotmail.con": "hotmail.com",
    "hotmial.com": "hotmail.com",
    "hotmal.com": "hotmail.com",
    "outlook.con": "outlook.com",
    "outlok.com": "outlook.com",
    "yahoo.con": "yahoo.com",
    "yaho.com": "yahoo.com",
    "icloud.con": "icloud.com",
    "iclud.com": "icloud.com",
}

# Mailboxes of a function, not of a person (RFC 2142), and those that machines write from.
_ROLES = {
    "abuse", "noc", "security", "postmaster", "hostmaster", "usenet", "news", "webmaster", "www", "uucp", "ftp", "info",
    "marketing", "sales", "support", "mailer-daemon", "root", "noreply", "no-reply", "donotreply", "do-not-reply",
}  # fmt: skip
_ROLE_ENDS = ("-request", "-bounces", "-owner")  # of mailing lists (RFC 2142 §6)

# Domains where anyone can have a mailbox, under any ending: many sign-ups there are not an attack on one server.
_PROVIDERS = {
    "126", "139", "163", "aol", "daum", "fastmail", "free", "gmail", "gmx", "googlemail", "hey", "hotmail", "icloud",
    "laposte", "libero", "live", "mac", "mail", "me", "msn", "naver", "orange", "outlook", "pm", "posteo", "proton",
    "protonmail", "qq", "sina", "t-online", "tutanota", "web", "yahoo", "yandex", "zoho",
}  # fmt: skip
_SAME_MAILBOXES = {
    "googlemail.com": "gmail.com",
    "mac.com": "icloud.com",
    "me.com": "icloud.com",
    "pm.me": "proton.me",
    "protonmail.com": "proton.me",
    "ya.ru": "yandex.ru",
    "yandex.com": "yandex.ru",
}
_IGNORED = {"gmail.com": ".", "proton.me": ".-_"}  # signs that do not count in the local part there
_SECOND_LEVELS = {  # below a country's
    "ac", "co", "com", "edu", "gob", "gouv", "gov", "go", "gv", "mil", "ne", "net", "nom", "or", "org", "sch",
}  # fmt: skip


_TOO_LONG = _(
    "This address is too long. The limit is %(most)s characters, with at most %(local)s before the @.",
    most=MAX_ADDRESS,
    local=MAX_LOCAL,
)
_UNLIKE = _("That doesn’t look like a working email address. Please check it.")


class BadAddress(UserError):
    """The text is not an address that we send to."""


def normalise(text: str, own_domains: Iterable[str] = ()) -> str:
    """Return the address in ASCII: the local part as typed, the domain in lower case as A-labels (RFC 5890).

    Domains that only work in a private network are accepted if they are, or are below, one of `own_domains`.
    Raises BadAddress. Only the confirmation email can show that the mailbox exists.
    """
    local, _at, domain = text.rpartition("@")
    if len(text) <= MAX_ADDRESS and _PLAIN_LOCAL.fullmatch(local) and _is_plain(domain):
        return text  # the usual case, in a fortieth of the validator's time
    text = ascii_forms(text)
    # The validator is slow on long texts, and drops some invisible characters.
    if len(text) > 4 * MAX_ADDRESS or not text.isprintable():
        raise BadAddress(_what_is_wrong(text))
    local, _at, domain = text.rpartition("@")
    own = parse_domain(domain)
    own = own if own and is_below(own, own_domains) else None
    try:
        # The validator takes no domain that is reserved for private networks.
        typed = f"{local}@example.org" if own else text
        valid = validate_email(typed, check_deliverability=False, allow_smtputf8=False, strict=True)
    except (EmailNotValidError, UnicodeError):
        raise BadAddress(_what_is_wrong(text)) from None
    checked = f"{valid.local_part}@{(valid.ascii_domain or '').lower()}"
    address = f"{valid.local_part}@{own}" if own else checked
    if len(address) > MAX_ADDRESS:
        raise BadAddress(_TOO_LONG)
    # Mail libraries read addresses with parseaddr and rewrite what they do not understand (CVE-2023-27043).
    if not _MAILBOX.fullmatch(checked) or parseaddr(address) != ("", address):
        raise BadAddress(_UNLIKE)
    return address


@lru_cache(10_000)
def _is_plain(domain: str) -> bool:
    """True if a domain needs no normalisation and is not reserved."""
    if not _PLAIN_DOMAIN.fullmatch(domain):
        return False
    try:
        return validate_email(f"a@{domain}", check_deliverability=False, strict=True).ascii_domain == domain
    except EmailNotValidError:
        return False


def is_below(domain: str, parents: Iterable[str]) -> bool:
    """True if `domain` is one of `parents` or a subdomain of one."""
    return any(domain == parent or domain.endswith(f".{parent}") for parent in parents)


def folded(address: str) -> str:
    """The same address for every spelling of a mailbox: in lower case, without a tag, and at Gmail without dots.

    Tags are removed at every domain, since many are run by a provider that ignores them. Elsewhere two people may share
    a limit, so use this for limits only.
    """
    local, _, domain = address.lower().rpartition("@")
    domain = _SAME_MAILBOXES.get(domain, domain)
    base = local.partition("+")[0]
    for sign in _IGNORED.get(domain, ""):
        base = base.replace(sign, "")
    return f"{base or local}@{domain}"


def is_role(address: str) -> bool:
    """True if an address belongs to a function of its domain, such as postmaster, and not to a person."""
    local = folded(address).rpartition("@")[0]
    return local in _ROLES or local.endswith(_ROLE_ENDS)


def is_provider(domain: str) -> bool:
    """True if anyone can have a mailbox at a registrable domain."""
    return domain.partition(".")[0] in _PROVIDERS


def registrable(domain: str) -> str:
    """The part of a domain that someone registered, by a rule of thumb: a shared limit is all that a mistake costs."""
    labels = domain.lower().split(".")
    is_below_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    return ".".join(labels[-3 if is_below_country else -2 :])


def suggestion(address: str) -> str | None:
    """Return the address that was probably meant when the domain is a common typing error."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{_SLIPS[domain]}" if domain in _SLIPS else None


def _what_is_wrong(text: str) -> Message:
    """Name the first common mistake; the messages of the validator are in English only."""
    local, _at, domain = text.rpartition("@")
    mistakes = (
        (not text, _("Enter your email address.")),
        (
            not text.isprintable(),
            _("There’s an invisible character in this address. Try typing it instead of pasting it."),
        ),
        ("@" not in text, _("Enter an email address with an @, like ada@example.org.")),
        (
            not local.isascii(),
            _(
                "For now, the part before the @ can only have unaccented letters, numbers and symbols,"
                " because some mail servers reject anything else. Do you have another address?"
            ),
        ),
        (len(local) > MAX_LOCAL or len(text) > MAX_ADDRESS, _TOO_LONG),
        (
            not local or not domain,
            _("Something is missing. An email address has a name before the @ and a domain after it."),
        ),
        ("@" in local, _("An email address can only have one @.")),
        (" " in text.strip(), _("An email address can’t contain spaces.")),
        ("." not in domain.strip("."), _("The part after the @ needs a dot, like example.org.")),
        (
            is_below(domain.lower(), SPECIAL_USE_DOMAIN_NAMES),
            _(
                "“%(domain)s” only works inside a private network. If it’s this site’s own, its operator can allow it"
                " with DIGEST_OWN_DOMAINS.",
                domain=domain,
            ),
        ),
    )
    return next((words for is_wrong, words in mistakes if is_wrong), _UNLIKE)
