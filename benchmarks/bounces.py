"""Measures how many labelled reports are read correctly, and how many are read per second.

Rules are written with the half of the samples in view whose SHA-256 begins with an even byte; the others only judge.
`--flood N` instead sends an issue to N subscribers on SQLite, puts a report about each message into a Maildir, and
measures how long the scheduler's job takes until all are in the database.
"""

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.bounce_flood import measure_flood
from digest.bounces.reading import read
from digest.bounces.report import ReportKind

Label = dict[str, Any]
_NEXT_MESSAGE = re.compile(rb"(?<=\n)(?=From \S+ +[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\n)")


@dataclass
class Half:
    """Counts for one half of the samples."""

    files: int = 0
    kinds: int = 0
    kinds_right: int = 0
    complaints: int = 0
    complaints_right: int = 0
    recipients: int = 0
    recipients_right: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, labels: list[Label], message: bytes) -> None:
        self.files += 1
        reports = [report for each in _NEXT_MESSAGE.split(message) for report in read(each)]  # some files are an mbox
        if "addresses" in labels[0]:
            expected = {address.lower() for label in labels for address in label["addresses"]}
            self.recipients += 1
            self.recipients_right += expected == {(report.recipient or "").lower() for report in reports}
            return
        wanted, got = Counter(map(expected_kind, labels)), Counter(report.kind for report in reports)
        self.kinds += len(labels)
        self.kinds_right += (wanted & got).total()
        self.complaints += wanted[ReportKind.COMPLAINT]
        self.complaints_right += min(wanted[ReportKind.COMPLAINT], got[ReportKind.COMPLAINT])
        if wanted != got:
            self.wrong.append(name)

    def as_dict(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "kind": {"right": self.kinds_right, "of": self.kinds},
            "complaint": {"right": self.complaints_right, "of": self.complaints},
            "recipient": {"right": self.recipients_right, "of": self.recipients},
        }


def expected_kind(label: Label) -> ReportKind:
    """Return the kind for a label. Reports on failed authentication (RFC 6591) do not count as complaints."""
    if label["feedbacktype"]:
        return ReportKind.NONE if label["feedbacktype"] == "auth-failure" else ReportKind.COMPLAINT
    if label["reason"] in ("delivered", "vacation"):
        return ReportKind.NONE
    return ReportKind.HARD if label["hardbounce"] else ReportKind.SOFT


def samples(data: Path) -> Iterator[tuple[str, list[Label], bytes, bool]]:
    """Yield the name, labels and message of each sample, and True if it may be used for writing rules."""
    labels: dict[str, list[Label]] = {}
    for file in ("sisimai_expected.jsonl", "flufl_expected.jsonl"):
        for line in (data / file).read_text().splitlines():
            label = json.loads(line)
            labels.setdefault(label["file"], []).append(label)
    for name, of_file in labels.items():
        message = (data / name).read_bytes()
        yield name, of_file, message, sha256(message).digest()[0] % 2 == 0


def measure(data: Path) -> tuple[Half, Half, float]:
    """Return the counts of the visible and of the hidden half, and the reports read per second of CPU time."""
    halves = Half(), Half()
    kept = list(samples(data))
    begun = time.process_time()
    for name, labels, message, in_view in kept:
        halves[0 if in_view else 1].add(name, labels, message)
    return *halves, len(kept) / (time.process_time() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/bounces"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--flood", type=int, metavar="N", help="process so many reports from a Maildir")
    options = parser.parse_args()
    if not (options.data / "sisimai_expected.jsonl").is_file():
        print(f"There are no samples at {options.data}. Name their folder with --data.", file=sys.stderr)
        sys.exit(3)
    if options.flood:
        results = measure_flood([message for _, _, message, _ in samples(options.data)], options.flood)
        print(
            json.dumps(results) if options.json else "\n".join(f"{name:24} {value}" for name, value in results.items())
        )
        return
    in_view, kept_back, speed = measure(options.data)
    document = {
        "in_view": in_view.as_dict() | {"wrong": in_view.wrong},
        "kept_back": kept_back.as_dict(),
        "reports_per_cpu_second": round(speed),
    }
    if options.json:
        print(json.dumps(document))
        return
    for name, half in (("in view", in_view), ("kept back", kept_back)):
        print(
            f"{name}: {half.files} files; kind {half.kinds_right} of {half.kinds}, complaints "
            f"{half.complaints_right} of {half.complaints}, recipients {half.recipients_right} of {half.recipients}"
        )
    print(f"{speed:.0f} reports per second of CPU time")


if __name__ == "__main__":
    main()
