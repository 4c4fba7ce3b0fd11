"""Addresses as people type them, and two public collections of good and bad ones."""

import json
from pathlib import Path

import defusedxml.ElementTree
import pytest

from digest.subscribers.addresses import BadAddress, normalise, suggestion


def is_taken(text: str) -> bool:
    try:
        normalise(text)
    except BadAddress:
        return False
    return True


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada.Lovelace+papers@Example.ORG", "Ada.Lovelace+papers@example.org"),
        ("user+mailbox/department=shipping@example.tld", "user+mailbox/department=shipping@example.tld"),
        ("o'brien@example.ie", "o'brien@example.ie"),
        ("ada@exämple.org", "ada@xn--exmple-cua.org"),
        ("jeff@臺網中心.tw", "jeff@xn--fiqq24b10vi0d.tw"),
        ("ａｄａ＠example。org", "ada@example.org"),
        ("ada﹫Ｅxample．org", "ada@example.org"),
        ("ada@sub.sub.example.co.uk", "ada@sub.sub.example.co.uk"),
        (f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ],
)
def test_an_address_is_kept_as_mail_servers_know_it(typed: str, address: str) -> None:
    assert normalise(typed) == address
    assert normalise(address) == address


@pytest.mark.parametrize(
    ("typed", "own"),
    [
        ("ada@mail.corp.local", "corp.local"),
        ("ada@Corp.Local", "corp.local"),
        ("ａｄａ＠mail。corp．local", "corp.local"),
        ("ada@lab.home.arpa", "home.arpa"),
        ("ada@mailhost", "mailhost"),
        ("ada@localhost", "localhost"),
        ("ada@printer.test", "test"),
    ],
)
def test_an_address_in_a_private_network_is_taken_where_the_domain_is_the_operators_own(typed: str, own: str) -> None:
    assert normalise(typed, (own,)).endswith(own)
    assert not is_taken(typed)
    for wrong in ("ada@x" + own, f"ada@{own}.example.local", f'"ada"@{own}', f"a da@{own}", f"@{own}", f"ada@.{own}"):
        with pytest.raises(BadAddress):
            normalise(wrong, (own,))


@pytest.mark.parametrize("typed", ["ada@mail.corp.local", "ada@x.home.arpa", "ada@x.test", "ada@x.onion"])
def test_an_address_of_a_private_network_is_refused_with_the_setting_that_allows_it(typed: str) -> None:
    with pytest.raises(BadAddress, match=r"only works inside a private network.*DIGEST_OWN_DOMAINS"):
        normalise(typed)


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("", "Enter your email"),
        ("ada", "with an @"),
        ("josé@example.org", "another address"),
        ("ada@example.org\n", "invisible"),
        ("ada@example.org\r\nRCPT TO:<eve@example.org>", "invisible"),
        ("ada\x00@example.org", "invisible"),
        ("ada\u200b@example.org", "invisible"),
        ("ada\u202e@example.org", "invisible"),
        ("ada@localhost", "dot"),
        ("@example.org", "Something is missing"),
        ("ada lovelace@example.org", "space"),
        ("ada@@example.org", "only have one @"),
        (f"{'a' * 65}@example.org", "too long"),
        (f"ada@{'a.' * 200}org", "too long"),
        (f"ada@{'a.' * 2000}org", "too long"),
    ],
)
def test_a_refusal_says_what_is_wrong(typed: str, word: str) -> None:
    with pytest.raises(BadAddress, match=word):
        normalise(typed)


@pytest.mark.parametrize(
    "typed",
    [
        '"ada lovelace"@example.org',
        '"ada"@example.org',
        "ada(comment)@example.org",
        "ada@[127.0.0.1]",
        "ada@[IPv6:::1]",
        "Ada <ada@example.org>",
        "<ada@example.org>",
        "ada@example.org>",
        "ada@example.org SIZE=1",
        "ada@example.org,eve@example.org",
        " ada@example.org",
        "ada@example.org ",
        "ada@example..org",
        ".ada@example.org",
        "ada@example.org.",
        "ada@-example.org",
        "ada@exa_mple.org",
    ],
)
def test_forms_that_mail_programs_read_differently_are_refused(typed: str) -> None:
    assert not is_taken(typed)


@pytest.mark.parametrize(
    ("typed", "meant"), [("ada@gmail.con", "ada@gmail.com"), ("a.b@hotmial.com", "a.b@hotmail.com")]
)
def test_a_slip_in_a_well_known_domain_is_noticed(typed: str, meant: str) -> None:
    assert suggestion(normalise(typed)) == meant


@pytest.mark.parametrize("address", ["ada@gmail.com", "ada@example.org", "ada@mail.gmail.con"])
def test_other_domains_are_taken_as_they_are(address: str) -> None:
    assert suggestion(address) is None


# --- isemail: categories other than these two are errors, deprecated forms, or no mailbox on the public internet ---

MAILBOX = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN"}
STRICT = {"test@io"}  # deliberately refused: a mailbox right under a top-level domain


def isemail(shared_data: Path) -> list[tuple[str, str]]:
    tests = defusedxml.ElementTree.parse(shared_data / "addresses/isemail/tests.xml").getroot().iter("test")
    return [(plain(test.findtext("address") or ""), test.findtext("category") or "") for test in tests]


def plain(text: str) -> str:
    """Their notation for control characters: U+2400 + code."""
    return "".join(chr(ord(letter) - 0x2400) if 0x2400 <= ord(letter) < 0x2420 else letter for letter in text)


def test_nothing_that_isemail_calls_invalid_is_accepted(shared_data: Path) -> None:
    invalid = [address for address, category in isemail(shared_data) if category not in MAILBOX]
    assert len(invalid) > 130
    assert [address for address in invalid if is_taken(address)] == []


def test_what_isemail_calls_valid_is_accepted(shared_data: Path) -> None:
    valid = [address for address, category in isemail(shared_data) if category in MAILBOX]
    assert len(valid) > 20
    assert {address for address in valid if not is_taken(address)} == STRICT


# --- python-email-validator's own cases ---

VALID = "test_email_valid"
# Its test takes the isemail cases, judged above by their category.
ELSEWHERE = {"test_pyisemail_tests"}


def validator_cases(shared_data: Path) -> list[tuple[str, str]]:
    lines = (shared_data / "addresses/python_email_validator_syntax.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines]
    return [(case["email_input"], case["test"]) for case in cases if "email_input" in case]


def test_nothing_that_the_validator_calls_invalid_is_accepted(shared_data: Path) -> None:
    invalid = [(text, test) for text, test in validator_cases(shared_data) if test != VALID and test not in ELSEWHERE]
    assert len(invalid) > 100
    assert [case for case in invalid if is_taken(case[0])] == []


def test_of_what_the_validator_calls_valid_only_quotes_and_display_names_are_refused(shared_data: Path) -> None:
    valid = [text for text, test in validator_cases(shared_data) if test == VALID]
    refused = [text for text in valid if not is_taken(text)]
    assert len(valid) - len(refused) >= 5
    assert all('"' in text or "<" in text for text in refused)


def test_unsafe_characters_are_refused_in_every_place(shared_data: Path) -> None:
    lines = (shared_data / "addresses/python_email_validator_syntax.jsonl").read_text().splitlines()
    unsafe = [case["s"] for case in map(json.loads, lines) if case["test"] == "test_email_unsafe_character"]
    assert len(unsafe) > 5
    for text in unsafe:
        assert not is_taken(f"{text}@example.org")
        assert not is_taken(f"ada{text}@example.org")
        assert not is_taken(f"ada@{text}example.org")
