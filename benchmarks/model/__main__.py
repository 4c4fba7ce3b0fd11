"""Explores every interleaving of two workers with their faults, each step by the product's own transitions.

`python -m benchmarks.model [--policy resend|hold] [--messages N --faults N] [--without PROTECTION] [--json]`: two
workers with two messages and one crash at any step; then with one message, a crash and one other fault: a lost answer
to a COMMIT, a connection that ends after the final dot, a reply "later", or a worker that is suspended for longer than
its lease. Meanwhile a subscriber leaves or the issue is cancelled. Without --policy both are explored. The rules are
in invariants.py. With --without, a search must find a broken rule; it prints the shortest way to it.
"""

import argparse
import json
import logging
import sys
import time
from typing import Any

import structlog

from benchmarks.installation import progress
from benchmarks.model.search import Found, Search
from benchmarks.model.state import PROTECTIONS, Rules

_SIZES = ((2, 0), (1, 1))  # messages; faults, not counting the crash


def main() -> None:
    """Search and print; exits with 1 if a rule is broken, or if none is without a protection."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="benchmarks.model"
    )
    about = "; ".join(f"{name}: {what}" for name, what in PROTECTIONS.items())
    parser.add_argument("--without", choices=PROTECTIONS, default="", help=f"take a protection out ({about})")
    parser.add_argument("--policy", choices=("resend", "hold"), help="what becomes of a message in doubt (both)")
    parser.add_argument("--messages", type=int, help="one search, with so many (2)")
    parser.add_argument("--faults", type=int, help="one search, with so many, not counting the crash (0)")
    parser.add_argument(
        "--people", type=int, default=1, help="2: an unsubscribe and a cancellation, instead of one (1)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # recovery warns each time
    policies = (options.policy,) if options.policy else ("resend", "hold")
    is_own = options.messages is not None or options.faults is not None
    sizes = [(options.messages or 2, options.faults or 0)] if is_own else _SIZES
    results = [_search(options, policy, *size) for policy in policies for size in sizes]
    if options.json:
        print(json.dumps(results))
    sys.exit(any(result["broken"] for result in results) != bool(options.without))


def _search(options: argparse.Namespace, policy: str, messages: int, faults: int) -> dict[str, Any]:
    rules = Rules(messages, 1, faults, policy == "hold", options.people, without=options.without)
    began = time.process_time()
    found = Search(rules, progress).run()
    seconds = time.process_time() - began
    about = f"{policy}, {messages} messages, a crash and {faults} other faults"
    if not options.json:
        _print(found, about, seconds)
    names = ("states", "transitions", "depth", "ends", "databases", "broken", "trace")
    return {"search": about, "cpu_seconds": round(seconds, 1)} | {name: getattr(found, name) for name in names}


def _print(found: Found, about: str, seconds: float) -> None:
    explored = f"{found.states:,} states, {found.transitions:,} transitions, depth {found.depth}"
    print(
        f"{about}: {explored}, {found.ends:,} ends, {found.databases:,} contents of the ledger, {seconds:.0f} s of CPU"
    )
    if found.broken:
        print(f"  broken: {found.broken}")
        for number, label in enumerate(found.trace, 1):
            print(f"  {number:3}. {label}")
    else:
        print("  every rule holds")


if __name__ == "__main__":
    main()
