"""Replies to RCPT TO as providers and mail programs word them."""

import pytest

from digest.bounces.reading import read
from tests.bounces.reading.messages import dsn, failed

LASTING = """\
550 5.1.1 Recipient address rejected: Access denied
550 5.1.1 <ann@example.net>: inactive email address
550 5.1.6 recipient no longer on server: ann@example.net
550 <ann@example.net> not found
550 Address not present in directory
550 This address no longer accepts mail
550 We do not have such a user
550 There is nobody here by that name
550 Recipient address is not valid at this site
551 User not local; please try <bob@example.org>
553 Recipient mailbox is not allowed
550 sorry, your envelope recipient is in my badrcptto list
550 5.2.1 mailbox not available
550 recipient domain must exist
550 no MX record found for domain=example.net
550 RESOLVER.ADR.RecipNotFound; not found
550 Empfänger nicht gefunden
550 Destinataire invalide
550 Nie ma takiego konta
550 ディレクトリのリストにありません
"""
PASSING = """\
550 5.1.1 Refused due to recipient preferences
550 5.1.7 Invalid address of the sender
550 5.6.0 Invalid header: address not valid
550 5.2.1 The account is disabled
550 sender's domain does not exist
550 your address is not in our database of permitted senders
550 unroutable sender address
550 relaying to <ann@example.net> is not permitted: unknown user
550 message blocked by the recipient
550 This IP has sent too many messages per hour, user unknown
550 the account may not exist, or you lack the permission to post
550 Host not found, try again
550 mail for example.net loops back to myself: host not found
550 Command died with status 67. Command output: user unknown
550 5.1.1 can't create user output file
550 : User unknown
554 5.4.4 Unable to route
550 DNS Error: Could not contact DNS servers
"""


def kind(reply: str) -> str:
    return read(dsn(failed("ann@example.net", "5.0.0", f"{reply} (in reply to RCPT TO command)")))[0].kind


@pytest.mark.parametrize("reply", LASTING.splitlines())
def test_a_refusal_of_the_address_itself_is_hard_in_any_wording(reply: str) -> None:
    assert kind(reply) == "hard"


@pytest.mark.parametrize("reply", PASSING.splitlines())
def test_a_refusal_of_the_sender_the_message_or_this_time_is_soft_in_any_wording(reply: str) -> None:
    assert kind(reply) == "soft"


def test_what_a_notice_supposes_does_not_outweigh_an_exact_refusal() -> None:
    reasons = "Possible reasons: the mailbox is full, or the address does not exist."
    assert read(dsn(failed("ann@example.net", "5.1.1", "550 5.1.1 User unknown"), notice=reasons))[0].kind == "hard"


def test_what_the_server_replied_outweighs_the_code_of_the_one_that_reports() -> None:
    transcript = "<ann@example.net>\n>>> RCPT To:<ann@example.net>\n<<< 552 mailbox is full"
    fields = failed("ann@example.net", "5.1.1", "550 5.1.1 User unknown")
    assert read(dsn(fields, notice=transcript))[0].kind == "soft"
