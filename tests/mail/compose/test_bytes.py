"""Messages on the wire, 150; tests/soak/test_wire.py does it with ten thousand."""

from pathlib import Path

import pytest

from tests.mail.compose.rfc_parser import an_ed25519_signer, an_rsa_signer
from tests.mail.compose.wire import hostile_papers, mails, wrong
from tests.mail.hostile import titles


@pytest.mark.parametrize(
    ("signers", "count"),
    [((an_ed25519_signer(),), 100), ((an_rsa_signer(),), 25), ((an_rsa_signer(), an_ed25519_signer()), 25)],
    ids=["Ed25519", "RSA", "both"],
)
def test_hostile_papers_make_sound_and_signed_mails(signers, count, shared_data: Path) -> None:
    for mailed in mails(hostile_papers(shared_data), signers, count):
        assert wrong(mailed, signers) == []


def test_there_are_enough_attacks() -> None:
    assert len(set(titles())) >= 200


def test_what_is_wrong_is_noticed() -> None:
    signers = (an_ed25519_signer(),)
    mailed = next(mails(hostile_papers(None), signers, 1))
    for harm in (b"Subject: x\r\nBcc: y@z.example", b"Subject: x\n"):
        harmed = mailed.message.replace(b"Subject: ", harm, 1)
        assert len(wrong(type(mailed)(mailed.address, harmed), signers)) >= 2
    assert wrong(type(mailed)("other@example.com", mailed.message), signers) == ["another recipient"]
