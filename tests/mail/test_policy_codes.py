"""The codes with which Gmail and Outlook reject senders are explained with a remedy."""

import pytest

from digest.mail.policy_codes import policy_code, with_meaning

_GMAIL = "https://support.google.com/mail/?p=Unauthenticated x1-20020a sor1.1 - gsmtp"
CASES = {
    f"550 5.7.26 blocked because the sender is unauthenticated. {_GMAIL}": (
        "Gmail",
        "SPF and DKIM",
    ),
    f"421 4.7.26 rate limited because it is unauthenticated {_GMAIL}": ("Gmail", "SPF and DKIM"),
    f"550 5.7.27 SPF did not pass {_GMAIL}": ("Gmail: SPF", "SPF record"),
    f"550 5.7.1 likely unsolicited mail {_GMAIL}": ("Gmail", "postmaster.google.com"),
    f"421 4.7.28 unusual rate of unsolicited mail {_GMAIL}": ("Gmail: an unusual rate", "DIGEST_SMTP_DOMAIN_RATES"),
    f"550 5.7.28 unusual rate {_GMAIL}": ("Gmail: an unusual rate", "DIGEST_SMTP_DOMAIN_RATES"),
    "550 5.7.509 Access denied, sending domain example.org does not pass DMARC verification": ("Outlook", "DKIM"),
    "550 5.7.515 Access denied, sending domain does not meet the required authentication level": ("Outlook", "DMARC"),
    "550 5.7.606 Access denied, banned sending IP [192.0.2.1]": ("banned", "sender.office.com"),
    "550 5.7.649 Access denied, banned sending IP [192.0.2.1]": ("banned", "sender.office.com"),
    "451 4.7.650 temporarily rate limited due to IP reputation, see https://postmaster.live.com (S775)": (
        "reputation",
        "SNDS",
    ),
    "451 4.7.500 Server busy. Please try again later (AS77712344)": ("reputation", "slow down"),
    "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent (S3140) outlook.com": ("block list", "olcsupport"),
    "535 5.7.139 Authentication unsuccessful outlook.com": ("account", "DIGEST_SMTP_URL"),
    "535 5.7.8 Authentication credentials invalid": ("login", "DIGEST_SMTP_URL"),
    "5.7.25": ("PTR", "PTR record"),
}


@pytest.mark.parametrize("reply", CASES)
def test_a_reply_is_explained_with_a_remedy(reply: str) -> None:
    code = policy_code(reply)
    assert code is not None
    name, remedy = CASES[reply]
    assert name in code.name
    assert remedy in code.remedy
    assert with_meaning(reply).startswith(reply)


@pytest.mark.parametrize("reply", ["", "550 5.1.1 no such user", "550 no", "421 15.7.26.1", "550 5.7.99 whatever"])
def test_other_replies_are_left_alone(reply: str) -> None:
    assert policy_code(reply) is None
    assert with_meaning(reply) == reply
