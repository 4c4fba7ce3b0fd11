"""Signed links."""

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.subscribers.tokens import CONFIRM_FOR, Purpose, key_id, key_named, sign, verify

OLD, NEW = b"the old key, thirty-two characters", b"the new key, thirty-two characters"
ISSUED = datetime(2026, 11, 23, 6, 40, tzinfo=UTC)


def opened(token: str, keys: list[bytes]) -> int | None:
    """Whom an unsubscribe link is for."""
    verified = verify(Purpose.UNSUBSCRIBE, token, keys)
    return verified.subscriber_id if verified else None


def test_a_token_leads_back_to_its_subscriber() -> None:
    for subscriber_id in (1, 77, 2**32 - 1):
        token = sign(Purpose.MANAGE, subscriber_id, ISSUED, [NEW])
        assert len(token) == 32
        assert verify(Purpose.MANAGE, token, [NEW]) == (subscriber_id, ISSUED.replace(minute=0), 0)


@pytest.mark.parametrize("version", [1, 255, 65_535])
def test_a_token_carries_the_version_of_the_links(version: int) -> None:
    for subscriber_id in range(1, 200):
        token = sign(Purpose.MANAGE, subscriber_id, ISSUED, [NEW], version=version)
        assert len(token) == 32
        assert token[-1].isalnum()
        assert verify(Purpose.MANAGE, token, [OLD, NEW]) == (subscriber_id, ISSUED.replace(minute=0), version)
        assert verify(Purpose.FEEDBACK, token, [NEW]) is None


def test_a_token_to_unsubscribe_carries_no_version() -> None:
    tokens = {sign(Purpose.UNSUBSCRIBE, 5, ISSUED, [NEW], version=version) for version in range(3)}
    assert len(tokens) == 1


def test_the_same_arguments_give_the_same_token() -> None:
    """A retried mail is the same mail, byte for byte."""
    assert sign(Purpose.MANAGE, 5, ISSUED, [NEW]) == sign(Purpose.MANAGE, 5, ISSUED, [NEW])


@pytest.mark.parametrize("purpose", Purpose)
def test_a_token_serves_one_purpose_only(purpose: Purpose) -> None:
    token = sign(purpose, 5, ISSUED, [NEW])
    assert [other for other in Purpose if verify(other, token, [NEW]) is not None] == [purpose]


def test_a_new_key_in_front_signs_and_the_old_one_still_opens() -> None:
    old = sign(Purpose.UNSUBSCRIBE, 5, ISSUED, [OLD])
    assert opened(old, [NEW, OLD]) == 5
    new = sign(Purpose.UNSUBSCRIBE, 5, ISSUED, [NEW, OLD])
    assert opened(new, [NEW]) == 5
    assert opened(new, [OLD]) is None


def test_a_token_is_as_old_as_its_hour() -> None:
    token = verify(Purpose.CONFIRM, sign(Purpose.CONFIRM, 5, ISSUED, [NEW]), [NEW])
    assert token is not None
    assert not token.has_expired(CONFIRM_FOR, ISSUED + CONFIRM_FOR)
    assert token.has_expired(CONFIRM_FOR, ISSUED + CONFIRM_FOR + timedelta(hours=1))


@pytest.mark.parametrize("version", [0, 3])
def test_every_changed_bit_is_noticed(version: int) -> None:
    raw = base64.urlsafe_b64decode(sign(Purpose.MANAGE, 5, ISSUED, [NEW], version=version))
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        assert verify(Purpose.MANAGE, base64.urlsafe_b64encode(changed).decode(), [NEW]) is None


@pytest.mark.parametrize("change", [" {}", "{}A", "{}.a", "{}3", "{}.{}", "\x00{}", "{}é"])
def test_a_token_with_anything_but_punctuation_after_it_is_none(change: str) -> None:
    token = sign(Purpose.MANAGE, 5, ISSUED, [NEW])
    assert verify(Purpose.MANAGE, change.format(token, token), [NEW]) is None


@pytest.mark.parametrize("added", [".", ">", ")", "),", "=", "====", "3D", "=3D", "\n", "/", "_", "-", "”", "。"])
def test_punctuation_that_mail_programs_add_after_a_token_is_forgiven(added: str) -> None:
    for subscriber_id in range(100):
        token = sign(Purpose.MANAGE, subscriber_id, ISSUED, [NEW])
        assert verify(Purpose.MANAGE, token + added, [NEW]) == verify(Purpose.MANAGE, token, [NEW]) is not None


def test_a_token_ends_in_a_letter_or_digit_which_every_mail_program_takes_into_the_link() -> None:
    tokens = [sign(Purpose.UNSUBSCRIBE, number, ISSUED, [NEW]) for number in range(1000)]
    assert all(token[-1].isalnum() for token in tokens)
    assert [opened(token, [NEW]) for token in tokens] == list(range(1000))


def test_tokens_that_earlier_versions_signed_still_open_whatever_they_end_in() -> None:
    tokens = [sign(Purpose.UNSUBSCRIBE, number, ISSUED, [NEW], any_end=True) for number in range(1000)]
    assert any(token[-1] in "-_" for token in tokens)
    assert [opened(token, [NEW]) for token in tokens] == list(range(1000))


def test_a_token_that_lost_its_last_character_opens_nothing() -> None:
    for number in range(1000):
        token = sign(Purpose.UNSUBSCRIBE, number, ISSUED, [NEW])
        assert [opened(token[:-1] + end, [NEW]) for end in ("", ".", ">")] == [None] * 3


def test_the_other_base64_alphabet_is_not_taken() -> None:
    tokens = [sign(Purpose.MANAGE, number, ISSUED, [NEW]) for number in range(40)]
    texts = [token.replace("-", "+").replace("_", "/") for token in tokens]
    assert texts != tokens
    assert all(verify(Purpose.MANAGE, text, [NEW]) is None for text in set(texts) - set(tokens))


@given(st.text())
def test_any_other_text_is_no_token_and_no_exception(text: str) -> None:
    assert verify(Purpose.MANAGE, text, [NEW, OLD]) is None


def test_a_key_is_found_by_its_name_wherever_it_stands() -> None:
    names = {key_id(OLD), key_id(NEW)}
    assert len(names) == 2
    assert key_named([NEW, OLD], key_id(OLD)) == OLD
    assert key_named([NEW], key_id(OLD)) is None
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in names)
