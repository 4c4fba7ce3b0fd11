"""Measures the CPU time to compose a message, compared with EmailMessage and, for signed messages, dkimpy.

`python -m benchmarks.compose [--mails N] [--signed] [--json]` composes N digests of ten papers, with a different list
for each subscriber, alternating with the reference. It prints milliseconds of CPU per message and their ratio (ours /
reference; smaller is better). The reference gets its text ready-made and renders nothing.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from benchmarks.baseline import baseline_messages, rsa_key
from digest.issues.issue import Issue
from digest.issues.selection import Pick, Selection
from digest.mail.compose.composer import IssueComposer
from digest.mail.compose.dkim import load_signer
from tests.mail.builders import CONTEXT, a_composer, a_draft, a_paper, an_issue

ROUNDS = 5
_PAPERS, _LIST = 50, 10


def main() -> None:
    """Run the benchmark and print what it measured."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--mails", type=int, default=100, help="messages per round of the reference (ours: ten times)")
    ask.add_argument("--signed", action="store_true", help="sign each with a 2048-bit RSA key")
    ask.add_argument("--json", action="store_true", help="one JSON line")
    asked = ask.parse_args()
    found = measure(asked.mails, asked.signed)
    print(json.dumps(found) if asked.json else "\n".join(f"{name:28} {value}" for name, value in found.items()))


def measure(mails: int, signed: bool) -> dict[str, float]:
    """Medians of five rounds, ours and the reference in turns."""
    key = rsa_key() if signed else None
    context = replace(CONTEXT, signers=(load_signer("s1", key),)) if key else CONTEXT
    issue = an_issue([a_paper(number) for number in range(1, _PAPERS + 1)], context=context)
    composer = a_composer(issue, context)
    (example,) = _ours(composer, issue, 1)
    ours, reference, ratios = [], [], []
    for _ in range(ROUNDS):
        ours.append(_cpu_ms(_ours(composer, issue, 10 * mails), 10 * mails))
        reference.append(_cpu_ms(baseline_messages(example, key, mails), mails))
        ratios.append(ours[-1] / reference[-1])
    return {
        "mails": 10 * mails * ROUNDS,
        "bytes": len(example),
        "milliseconds_per_mail": round(statistics.median(ours), 4),
        "reference_milliseconds": round(statistics.median(reference), 4),
        "ratio": round(statistics.median(ratios), 4),
    }


def _cpu_ms(made: Iterable[object], mails: int) -> float:
    began = time.process_time()
    for _ in made:
        pass
    return (time.process_time() - began) * 1000 / mails


def _ours(composer: IssueComposer, issue: Issue, mails: int) -> Iterator[bytes]:
    for number in range(1, mails + 1):
        yield composer.compose(a_draft(issue, _selection(issue, number), number)).envelope.message


def _selection(issue: Issue, number: int) -> Selection:
    """A different list of ten for each subscriber."""
    chosen = [issue.papers[(number * 7 + place * 3) % _PAPERS] for place in range(_LIST)]
    return Selection(tuple(Pick(ranked.paper.id, "") for ranked in chosen))


if __name__ == "__main__":
    main()
