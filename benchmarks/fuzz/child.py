"""The process of one target: `python -m benchmarks.fuzz.child TARGET SECONDS CORPUS FOUND`. It ends with the run."""

import resource
import sys
import time

import atheris

# The libraries that read for us count as code to reach, too.
READERS = ["digest", "feedparser", "bibtexparser", "rispy", "email", "pylatexenc", "email_validator", "csv", "json"]

with atheris.instrument_imports(include=READERS):
    from benchmarks.fuzz.targets import TARGETS

CPU_SECONDS, LONGEST = 2.0, 20_000  # of an input, and its bytes
_MEGABYTES = 1_500


class TooSlow(Exception):
    """A reader took longer than any input may make it."""


def main(name: str, seconds: str, corpus: str, found: str) -> None:
    """Run until the time is over or an input breaks the target."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    target = TARGETS[name]

    def once(data: bytes) -> None:
        began = time.process_time()
        target(data)
        if (took := time.process_time() - began) > CPU_SECONDS:
            raise TooSlow(f"{took:.1f} s of CPU")

    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-rss_limit_mb={_MEGABYTES}", "-timeout=300"]
    atheris.Setup(["fuzz", *limits, "-print_final_stats=1", f"-artifact_prefix={found}/", corpus], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
