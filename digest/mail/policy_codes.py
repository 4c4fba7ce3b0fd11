"""Policy codes (x.7.x) of Gmail, Outlook and the standards, with their meanings and remedies."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PolicyCode:
    """A code, or range of codes, for rejecting a sender."""

    name: str
    remedy: str


_AUTHENTICATE = "publish SPF and DKIM for the domain of DIGEST_MAIL_FROM, and sign with DIGEST_DKIM_KEYS"
_ALL_THREE = f"{_AUTHENTICATE}; publish a DMARC record as well"
_SPF = "add the address of the sending server to the SPF record of the domain of DIGEST_BOUNCE_ADDRESS"
_DKIM = "set DIGEST_DKIM_KEYS or let the mail server sign, and publish the key: digest doctor prints the record"
_DMARC = "publish a DMARC record for the domain of DIGEST_MAIL_FROM, at first with p=none"
_ALIGN = "let the domain of DIGEST_MAIL_FROM be that of SPF (DIGEST_BOUNCE_ADDRESS) or of the DKIM signature"
_PTR = "ask your provider for a PTR record of the sending address whose name leads back to it"
_LOGIN = "check user and password in DIGEST_SMTP_URL, and that the account may send as DIGEST_MAIL_FROM"

# By provider, then by code; the first match counts. Without a provider: RFC 7372, 7505, 4954 and common use.
_GMAIL = [
    (r"[45]\.7\.26", "Gmail: neither SPF nor DKIM passed, or DMARC failed", _AUTHENTICATE),
    (r"[45]\.7\.27", "Gmail: SPF did not pass", _SPF),
    (r"[45]\.7\.(23|25)", "Gmail: the sending address has no matching PTR record", _PTR),
    (r"[45]\.7\.28", "Gmail: an unusual rate of unwanted email", "slow down: DIGEST_SMTP_DOMAIN_RATES=gmail.com=1"),
    (r"[45]\.7\.29", "Gmail: the message was not sent over TLS", "send over TLS from the last server on the way"),
    (r"[45]\.7\.30", "Gmail: DKIM did not pass", _DKIM),
    (r"[45]\.7\.(31|40)", "Gmail: the sending domain has no DMARC policy", _DMARC),
    (r"[45]\.7\.32", "Gmail: From agrees with neither SPF nor DKIM", _ALIGN),
    (
        r"[45]\.7\.[01]\b",
        "Gmail: rejected for the reputation of the address or domain, or as unwanted",
        "check postmaster.google.com, reduce complaints, and warm up: DIGEST_WARM_UP_FROM",
    ),
]
_OUTLOOK = [
    (r"5\.7\.509", "Outlook: the message fails the DMARC policy of its own domain", _ALIGN),
    (
        r"5\.7\.515",
        "Outlook: a bulk sender without SPF, DKIM and DMARC that all pass",
        _ALL_THREE,
    ),
    (
        r"5\.7\.(60[6-9]|6[1-4]\d)",
        "Outlook: the sending address is banned",
        "ask for its removal at sender.office.com",
    ),
    (r"5\.7\.51[0-3]", "Outlook: the sender is banned by its domain", "ask Microsoft's support, with the reply"),
    (
        r"[45]\.7\.(5\d\d|65\d|6\d\d)",
        "Outlook: limited for the reputation of a new or busy address",
        "slow down: DIGEST_SMTP_DOMAIN_RATES=outlook.com=1, and register the address at SNDS (postmaster.live.com)",
    ),
    (r"[45]\.7\.(57|60|139)", "Microsoft 365: the account may not send like this", _LOGIN),
    (
        r"[45]\.7\.[01]\b",
        "Outlook: the sending address or its network is on the block list",
        "ask for its removal at olcsupport.office.com, or move to another address or relay",
    ),
]
_STANDARD = [
    (r"[45]\.7\.2[0-2]", "no DKIM signature passed", _DKIM),
    (r"[45]\.7\.2[34]", "SPF did not pass", _SPF),
    (r"[45]\.7\.25", "the sending address has no matching PTR record", _PTR),
    (r"[45]\.7\.26", "several checks of the sender failed", _AUTHENTICATE),
    (r"[45]\.7\.(28)", "an unusual rate of email", "slow down: DIGEST_SMTP_DOMAIN_RATES"),
    (r"5\.7\.(3|8|9|11|57|60|139)\b", "the login is missing or wrong", _LOGIN),
    (r"5\.7\.509", *_OUTLOOK[0][1:]),
    (r"5\.7\.515", *_OUTLOOK[1][1:]),
    (r"5\.7\.(60[6-9]|6[1-4]\d)", *_OUTLOOK[2][1:]),
    (r"[45]\.7\.(27|29|3[0-2]|40)", "a check of the sender failed", _AUTHENTICATE),
]
_PROVIDERS = [
    (r"gsmtp|google\.com|gmail", _GMAIL),
    (r"outlook|hotmail|office(365)?\.com|microsoft|live\.com|\bS(31[145]0|77[0-9]|3114)\b|\(AS\d+", _OUTLOOK),
]


def policy_code(reply: str) -> PolicyCode | None:
    """Return the meaning of the code in an SMTP reply, or of a bare code; None if it is not listed."""
    text = reply[:1_000]
    found = re.search(r"(?<![\d.])[45]\.7\.\d{1,3}(?![\d.]\d)", text)
    if found is None:
        return None
    own = next((codes for words, codes in _PROVIDERS if re.search(words, text, re.IGNORECASE)), [])
    fitting = (row for row in (*own, *_STANDARD) if re.fullmatch(row[0].replace(r"\b", ""), found[0]))
    name_and_remedy = next(((name, remedy) for _, name, remedy in fitting), None)
    return PolicyCode(*name_and_remedy) if name_and_remedy else None


def with_meaning(reply: str) -> str:
    """Return a reply, followed by the meaning of its code if that is known."""
    code = policy_code(reply)
    return f"{reply} [{code.name}; {code.remedy}]" if code else reply
