"""Each message has its own envelope sender and may have its own address for unsubscribing; neither can be forged."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from digest.lint import lint
from digest.mail.compose.context import MailContext
from digest.mail.return_paths import LONGEST_LOCAL, AddressPurpose, SignedAddress, number_of, token_in
from digest.settings import Settings
from digest.settings.composing import senders
from tests.mail.builders import CONTEXT, SECRET, SENDERS, a_composer, a_draft, a_paper, an_issue, everything_in

OTHER = b"another-secret-of-at-least-thirty-two-characters"
BOUNCE, UNSUBSCRIBE = AddressPurpose
SIGNING = replace(
    CONTEXT, senders=replace(SENDERS, signs_reverse_path=True, unsubscribe_address="unsubscribe@papers.example.org")
)


def _address(number: int = 7, purpose: AddressPurpose = BOUNCE, key: bytes = SECRET) -> str:
    return SignedAddress(purpose, "bounces@example.org", [key]).of(number)


@given(st.integers(0, 2**40 - 1), st.sampled_from(AddressPurpose))
def test_a_token_names_its_number_whatever_the_case_of_its_letters(number: int, purpose: AddressPurpose) -> None:
    token = token_in(_address(number, purpose))
    assert number_of(purpose, token, [SECRET]) == number_of(purpose, token.upper(), [OTHER, SECRET]) == number


def test_a_token_of_another_key_purpose_or_number_is_invalid() -> None:
    token = token_in(_address())
    assert number_of(BOUNCE, token, [OTHER]) is None
    assert number_of(UNSUBSCRIBE, token, [SECRET]) is None
    assert number_of(BOUNCE, token[:11] + "8" + token[12:], [SECRET]) is None
    for wrong in ("", "x" * 30, token[:-1], token + "0", "bounces", "é" * 30):
        assert number_of(BOUNCE, wrong, [SECRET]) is None


@given(st.integers(0, 119))
def test_no_bit_of_a_token_can_be_changed(bit: int) -> None:
    token = int(token_in(_address()), 16) ^ (1 << bit)
    assert number_of(BOUNCE, f"{token:030x}", [SECRET]) is None


def test_the_local_part_fits_into_64_octets() -> None:
    longest = SignedAddress(BOUNCE, f"{'b' * LONGEST_LOCAL}@example.org", [SECRET]).of(2**40 - 1)
    assert len(longest.rpartition("@")[0]) == 64
    with pytest.raises(ValidationError, match="may have 33 characters"):
        Settings(bounce_address=f"{'b' * (LONGEST_LOCAL + 1)}@example.org")


def test_a_bounce_address_that_is_set_gets_a_token_and_the_sender_does_not() -> None:
    without, with_address = Settings(), Settings(bounce_address="Bounces <bounces@example.org>")
    assert not senders(without).signs_reverse_path
    assert senders(with_address).signs_reverse_path


def test_a_retry_has_the_same_envelope_sender_and_the_same_bytes() -> None:
    issue = an_issue([a_paper()], context=SIGNING)
    draft = a_draft(issue, everything_in(issue))
    first, second = (a_composer(issue, SIGNING).compose(draft) for _ in range(2))
    assert first == second
    path = first.envelope.reverse_path
    assert re.fullmatch(r"bounces\+[0-9a-f]{30}@papers\.example\.org", path)
    assert number_of(BOUNCE, token_in(path), [SECRET]) == draft.delivery.id


def test_the_address_to_unsubscribe_follows_the_url_if_it_is_set() -> None:
    assert b"mailto:unsubscribe" not in _message(CONTEXT, CONTEXT)
    message = _message(SIGNING, SIGNING)
    field = re.search(
        rb"^List-Unsubscribe: <https://\S+>,\r\n <mailto:(\S+)\?subject=unsubscribe>\r\n", message, re.MULTILINE
    )
    assert field
    assert number_of(UNSUBSCRIBE, token_in(field[1].decode()), [SECRET]) == 1
    assert not lint(message).failed


def test_the_address_to_unsubscribe_is_frozen_at_the_cut() -> None:
    """A retry after it was set, removed or changed repeats the bytes."""
    assert _message(CONTEXT, CONTEXT) == _message(CONTEXT, SIGNING)
    assert _message(SIGNING, SIGNING) == _message(SIGNING, CONTEXT)


def _message(at_the_cut: MailContext, now: MailContext) -> bytes:
    issue = an_issue([a_paper()], context=at_the_cut)
    return a_composer(issue, now).compose(a_draft(issue, everything_in(issue))).envelope.message
