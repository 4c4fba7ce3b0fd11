"""Runs the simulation with one seed after another and judges each run.

`python -m benchmarks.simulate --runs 1000` takes new seeds; `--seed N --trace` shows what happened in one run. The exit
code is 1 if an invariant was broken, with the seeds that break it. `--state FILE` keeps the sums, and a second call
with it goes on where the first one ended.
"""

import argparse
import gc
import json
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.simulate.report import Report, read
from benchmarks.simulate.run import Result, Simulator

_RUN_SECONDS = 120  # of CPU: whatever takes longer hangs
_PROGRESS_SECONDS = 20.0
_RUNS_A_COLLECTION = 10


def main() -> int:
    """Run, report, and return the exit code."""
    warnings.simplefilter("ignore")  # a program that is killed leaves coroutines behind that nobody ever awaits
    options = _options()
    report = read(options.state) if options.state else Report()
    first = report.next_seed if report.runs else options.seed
    began, told = time.monotonic(), time.monotonic()
    before = report.seconds
    simulator = Simulator()
    try:
        for result in _results(simulator, range(first, first + options.runs), options):
            report.add(result)
            report.seconds = before + time.monotonic() - began
            if options.trace:
                sys.stderr.write("".join(f"{line}\n" for line in result.trace))
            if result.problems:
                _tell_broken(result)
            if time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                _progress(report, first, options)
            if result.problems and options.stop:
                break
    finally:
        simulator.close()
    if options.state:
        report.store(options.state)
    print(json.dumps(report.as_dict()) if options.json else _text(report))
    return 1 if report.broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", "--from", type=int, default=time.time_ns() % 10**9, help="the first [default: new]")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--trace", action="store_true", help="print what happened in each run")
    parser.add_argument("--stop", action="store_true", help="end at the first run that breaks an invariant")
    parser.add_argument("--state", type=Path, help="a file that keeps the sums")
    return parser.parse_args()


def _results(simulator: Simulator, seeds: range, options: argparse.Namespace) -> Iterator[Result]:
    """The result of each seed, in the order of the seeds."""
    gc.collect()
    gc.freeze()
    gc.disable()  # _run() collects what a few runs have left
    if options.processes == 1 or len(seeds) == 1:
        yield from (_run(simulator, seed, options.trace) for seed in seeds)
        return
    context = multiprocessing.get_context("fork")  # the installation is made once
    with context.Pool(options.processes, initializer=_begin, initargs=(simulator, options.trace)) as pool:
        yield from pool.imap(_in_child, seeds, chunksize=4)


_child: dict[str, Any] = {}


def _begin(simulator: Simulator, keep_trace: bool) -> None:
    simulator.move()
    _child.update(simulator=simulator, keep_trace=keep_trace)


def _in_child(seed: int) -> Result:
    return _run(_child["simulator"], seed, _child["keep_trace"])


def _run(simulator: Simulator, seed: int, keep_trace: bool) -> Result:
    def give_up(_number: int, _frame: object) -> None:
        sys.stderr.write(f"seed {seed} hangs\n")
        os.kill(os.getpid(), signal.SIGKILL)

    signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, _RUN_SECONDS)
    try:
        return simulator.run(seed, keep_trace)
    finally:
        if seed % _RUNS_A_COLLECTION == 0:
            gc.collect()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _tell_broken(result: Result) -> None:
    for problem in result.problems:
        sys.stderr.write(f"seed {result.seed}: {problem}\n")
    sys.stderr.write(f"again with: python -m benchmarks.simulate --seed {result.seed} --trace\n")


def _progress(report: Report, first: int, options: argparse.Namespace) -> None:
    done = report.next_seed - first
    sys.stderr.write(f"{done} of {options.runs} runs, {len(report.broken)} broken\n")
    if options.state:
        report.store(options.state)


def _text(report: Report) -> str:
    lines = []
    for name, value in report.as_dict().items():
        if isinstance(value, dict):
            lines.append(f"{name}:")
            lines += [f"  {key:70} {count}" for key, count in value.items()]
        else:
            lines.append(f"{name:20} {value}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
