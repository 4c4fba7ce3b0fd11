"""Signatures, judged by dkimpy."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from digest.ledger.kinds import ISSUE_OF, LISTED, Kind
from digest.mail.compose.dkim import Signer, dns_record, first_of_each_kind, load_signer, named
from digest.mail.compose.headers import message_bytes
from tests.mail.builders import (
    BRANDING,
    CONTEXT,
    LINKS,
    RENDERER,
    a_composer,
    a_draft,
    a_notice,
    a_paper,
    an_issue,
    everything_in,
    headers,
    message_parts,
)
from tests.mail.compose.rfc_parser import an_ed25519_signer, an_rsa_key, an_rsa_signer, holds, pem, verdicts

DOMAIN = "papers.example.org"
BOTH = (an_rsa_signer(), an_ed25519_signer())


def signed(kind: Kind = Kind.DIGEST, signers: tuple[Signer, ...] = BOTH) -> bytes:
    if kind in LISTED:
        context = replace(CONTEXT, signers=signers)
        issue = a_notice(context)
        if kind is not Kind.NOTICE:
            issue = an_issue([a_paper(number) for number in range(1, 4)], context=context, kind=ISSUE_OF[kind])
        return a_composer(issue, context).compose(a_draft(issue, everything_in(issue))).envelope.message
    return message_bytes(RENDERER.render(kind, LINKS, BRANDING), headers(kind=kind), signers)


def tags(message: bytes) -> list[dict[str, str]]:
    """The tags of each signature, without their folding."""
    head = message.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    return [
        {name.strip(): "".join(value.split()) for name, _, value in (tag.partition("=") for tag in line.split(";"))}
        for line in re.findall("^DKIM-Signature: (.*)", head, re.MULTILINE)
    ]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("signers", [BOTH, BOTH[:1], BOTH[1:]], ids=["both", "RSA", "Ed25519"])
def test_every_kind_of_mail_is_verified(kind: Kind, signers: tuple[Signer, ...]) -> None:
    message = signed(kind, signers)
    assert verdicts(message, signers, DOMAIN) == [True] * len(signers)
    assert all(len(line) <= 78 for line in re.findall(rb"DKIM-Signature: .*(?:\r\n .*)*", message)[0].split(b"\r\n"))


def test_what_the_signatures_say() -> None:
    rsa, ed25519 = tags(signed())
    assert (rsa["a"], rsa["s"], ed25519["a"], ed25519["s"]) == ("rsa-sha256", "rsa1", "ed25519-sha256", "ed1")
    for one in (rsa, ed25519):
        assert (one["v"], one["c"], one["d"]) == ("1", "relaxed/relaxed", DOMAIN)
        assert one["t"] == str(int(datetime(2026, 11, 23, 7, tzinfo=UTC).timestamp()))
        assert not {"l", "x"} & set(one)
        covered = one["h"].split(":")
        assert {"List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "List-Archive"} <= set(covered)
        assert {"Feedback-ID", "Auto-Submitted", "Precedence"} <= set(covered)
        assert covered.count("From") == covered.count("List-Unsubscribe") == 2


def test_without_a_key_there_is_no_signature() -> None:
    assert b"DKIM" not in signed(signers=())


def test_a_second_signing_gives_the_same_bytes() -> None:
    assert signed() == signed()
    later = message_bytes(message_parts(), headers(date=headers().date + timedelta(seconds=1)), BOTH)
    assert later != message_bytes(message_parts(), headers(), BOTH)


FIELDS = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Archive",
    "Feedback-ID",
    "Auto-Submitted",
    "Precedence",
    "MIME-Version",
    "Content-Type",
]
ALONE = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("signer", BOTH, ids=["RSA", "Ed25519"])
def test_removing_or_changing_a_field_breaks_the_signature(name: str, signer: Signer) -> None:
    message = signed(signers=(signer,))
    line = re.search(rb"^" + name.encode() + rb": .*\r\n(?: .*\r\n)*", message, re.MULTILINE)
    assert line
    assert holds(message, [signer], DOMAIN)
    for instead in (b"", line.group().replace(b"\r\n", b"x\r\n", 1)):
        assert not holds(message.replace(line.group(), instead, 1), [signer], DOMAIN)


@pytest.mark.parametrize("name", ALONE)
def test_another_field_of_the_same_name_breaks_the_signature(name: str) -> None:
    signer = an_ed25519_signer()
    head, _, body = signed(signers=(signer,)).partition(b"\r\n\r\n")
    other = f"{name}: <https://elsewhere.example>".encode()
    assert not holds(other + b"\r\n" + head + b"\r\n\r\n" + body, [signer], DOMAIN)
    assert not holds(head + b"\r\n" + other + b"\r\n\r\n" + body, [signer], DOMAIN)


def test_a_changed_or_longer_body_breaks_the_signature() -> None:
    message = signed()
    assert not holds(message.replace(b"arXiv", b"arxiv", 1), BOTH, DOMAIN)
    assert not holds(message + b"more\r\n", BOTH, DOMAIN)


def test_what_servers_on_the_way_may_change_breaks_nothing() -> None:
    message = signed()
    head, _, body = message.partition(b"\r\n\r\n")
    refolded = head.replace(b"Subject: ", b"SUBJECT:\t ").replace(b"\r\n ", b"\r\n\t\t")
    assert holds(b"Received: from here\r\n" + refolded + b"\r\n\r\n" + body + b"\r\n\r\n", BOTH, DOMAIN)


def test_the_domain_is_that_of_the_sender_of_this_mail() -> None:
    message = message_bytes(message_parts(), headers(sender="Ünlike <a@other.example>"), BOTH)
    assert [one["d"] for one in tags(message)] == ["other.example"] * 2
    assert holds(message, BOTH, "other.example")


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_rsa_keys_of_any_good_length_sign(bits: int) -> None:
    signer = load_signer("long", an_rsa_key(bits))
    assert holds(signed(signers=(signer,)), [signer], DOMAIN)


def test_the_first_key_of_each_kind_signs_and_the_others_wait() -> None:
    others = (an_rsa_signer("rsa2"), an_ed25519_signer("ed2"))
    assert first_of_each_kind((*BOTH, *others)) == BOTH
    assert first_of_each_kind((others[1], *BOTH)) == (others[1], BOTH[0])
    assert named((*BOTH, *others), ["ed2", "rsa1"]) == (others[1], BOTH[0])
    with pytest.raises(ValueError, match="the DKIM key gone is no longer set"):
        named(BOTH, ["rsa1", "gone"])


def test_the_dns_record_says_kind_and_public_key() -> None:
    assert re.fullmatch(r"v=DKIM1; k=rsa; p=MIIBIjAN[A-Za-z0-9+/]+={0,2}", dns_record(an_rsa_signer()))
    assert re.fullmatch(r"v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=", dns_record(an_ed25519_signer()))


def test_the_record_of_the_example_in_rfc_8463() -> None:
    """Appendix A.2."""
    secret = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
    signer = load_signer("brisbane", f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n".encode())
    assert dns_record(signer) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def _locked(encryption: object) -> bytes:
    key = an_rsa_signer().key
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("selector", "content", "said"),
    [
        ("a b", an_rsa_key(), "cannot be a name in the DNS"),
        ("a;b=", an_rsa_key(), "cannot be a name in the DNS"),
        ("s", b"", "no private key in PEM"),
        ("s", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no private key in PEM"),
        ("s", an_rsa_key(1024), "an RSA key of 1024 bits is too short, 2048 are needed"),
        ("s", _locked(BestAvailableEncryption(b"secret")), "protected by a password"),
        (
            "s",
            ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "RSA and Ed25519 keys only",
        ),
    ],
    ids=["blank", "tag", "empty", "public", "short", "locked", "another kind"],
)
def test_a_key_that_cannot_sign_says_why_in_one_line(selector: str, content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said) as problem:
        load_signer(selector, content)
    assert "\n" not in str(problem.value)


def test_the_key_formats_that_openssl_writes_are_read() -> None:
    key = an_rsa_signer().key
    old = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert dns_record(load_signer("s", old)) == dns_record(an_rsa_signer())
    assert pem(key) == an_rsa_key()
