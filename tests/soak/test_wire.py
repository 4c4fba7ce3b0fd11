"""Ten thousand messages of hostile papers, each parsed and verified by dkimpy."""

from pathlib import Path

import pytest

from tests.mail.compose.rfc_parser import an_ed25519_signer, an_rsa_signer
from tests.mail.compose.wire import hostile_papers, mails, wrong

pytestmark = pytest.mark.timeout(7200)


@pytest.mark.parametrize(("kind", "count"), [("ed25519", 9_000), ("rsa", 1_000)])
def test_ten_thousand_mails_of_hostile_papers_are_sound_and_signed(kind: str, count: int, shared_data: Path) -> None:
    signers = (an_rsa_signer() if kind == "rsa" else an_ed25519_signer(),)
    checked = 0
    for mailed in mails(hostile_papers(shared_data), signers, count, seed=count):
        assert wrong(mailed, signers) == []
        checked += 1
    assert checked == count
