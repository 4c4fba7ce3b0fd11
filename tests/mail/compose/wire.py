"""Messages of an issue with hostile papers, and the rules that each must keep on the wire."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from digest.issues.selection import Pick, Selection
from digest.mail.compose.dkim import Signer
from digest.papers.paper import Paper
from tests.mail.builders import CONTEXT, LINKS, a_composer, a_draft, a_paper, an_issue
from tests.mail.compose.rfc_parser import holds
from tests.mail.compose.test_headers import FIELDS, field
from tests.mail.hostile import ATTACKS, titles

DOMAIN = "papers.example.org"
_UNSUBSCRIBE = re.compile(rb"^List-Unsubscribe: <https://papers\.example\.org/u/[A-Za-z0-9_-]{32}>\r\n", re.MULTILINE)
_POST = re.compile(rb"^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", re.MULTILINE)


@dataclass(frozen=True)
class Mailed:
    """A message and its recipient."""

    address: str
    message: bytes


def hostile_papers(shared_data: Path | None) -> list[Paper]:
    """Every field of every paper is an attack."""
    given = titles()
    if shared_data:
        lines = (shared_data / "arxiv" / "awkward_records.jsonl").read_text(encoding="utf-8").splitlines()
        given += [json.loads(line)["title"] for line in lines]
    return [
        a_paper(number, title=title, summary=given[-number], authors=(title, given[-number]), organization=title)
        for number, title in enumerate(given, start=1)
    ]


def mails(papers: list[Paper], signers: tuple[Signer, ...], count: int, seed: int = 1) -> Iterator[Mailed]:
    """Lists of another length, order and reasons for each subscriber."""
    dice = random.Random(seed)
    context = replace(CONTEXT, signers=signers)
    issue = an_issue(papers, note=dice.choice(ATTACKS), context=context)
    composer = a_composer(issue, context)
    whys = ("", "", "you follow graph learning", *ATTACKS)
    for number in range(1, count + 1):
        picks = tuple(Pick(paper.id, dice.choice(whys)) for paper in dice.sample(papers, dice.randint(1, 25)))
        address = dice.choice((LINKS.address, f"a=b+{number}@x.example", f"o'{number}&co@x.example"))
        draft = a_draft(issue, Selection(picks, dice.choice((0, 1, 1000))), number, address)
        yield Mailed(address, composer.compose(draft).envelope.message)


def wrong(mailed: Mailed, signers: tuple[Signer, ...]) -> list[str]:
    """The faults of a message, found without the email package."""
    message = mailed.message
    head, _, body = message.partition(b"\r\n\r\n")
    names = re.findall(rb"^([!-9;-~]+):", head, re.MULTILINE)
    # Not by its Content-Type: an attack may say that in the text draft.
    html = re.split(rb"^--=_.*\r\n", body, flags=re.MULTILINE)[2].partition(b"\r\n\r\n")[2]
    checks = {
        "not ASCII": message.isascii(),
        "a bare CR or LF": not re.search(rb"(?<!\r)\n|\r(?!\n)", message),
        "a NUL": b"\0" not in message,
        "other header fields": [name.decode() for name in names] == ["DKIM-Signature"] * len(signers) + FIELDS,
        "another recipient": field(message, "To") == mailed.address,
        "List-Unsubscribe is not plain and alone on its line": len(_UNSUBSCRIBE.findall(head)) == 1,
        "List-Unsubscribe-Post is not plain and alone on its line": len(_POST.findall(head)) == 1,
        "a header line over 78": all(len(line) <= 78 for line in head.split(b"\r\n") if b"https://" not in line),
        "a header line over 998": all(len(line) <= 998 for line in head.split(b"\r\n")),
        "a body line over 76": all(len(line) <= 76 for line in body.split(b"\r\n")),
        "a line that servers change": not re.search(rb"^(\.|From )", message, re.MULTILINE),
        "more than two parts": len(re.findall(rb"^--=_", body, re.MULTILINE)) == 3,
        "HTML that Gmail clips": len(html) <= 100_000,
        "a hole": b"=EF=B7=9" not in body,  # U+FDD0 …
        "a signature that does not hold": holds(message, signers, DOMAIN),
    }
    return [what for what, is_so in checks.items() if not is_so]
