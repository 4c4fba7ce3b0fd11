"""What the commands of the benchmarks have in common: --keep, --json, exit codes."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.installation import progress
from benchmarks.postfix_tools import ToolsMissing
from benchmarks.timed import RoundFailed
from tests.support.servers import ServerMissing

Results = dict[str, Any]


def command(name: str, about: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m benchmarks.<name>`; `about` is its module's text."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter, prog=f"benchmarks.{name}"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with the processes' logs")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def run(
    options: argparse.Namespace, measure: Callable[[argparse.Namespace], Results], keeps: Callable[[Results], bool]
) -> None:
    """Measure and print. Ends with 1 when a promise is broken or a round fails, with 3 when this machine lacks what
    is needed.
    """
    try:
        results = measure(options)
    except (ToolsMissing, ServerMissing) as missing:
        progress(str(missing))
        sys.exit(3)
    except RoundFailed as failure:
        progress(str(failure))
        sys.exit(1)
    print(json.dumps(results) if options.json else "\n".join(f"{name:24} {value}" for name, value in results.items()))
    sys.exit(0 if keeps(results) else 1)
