"""Counts what the tests ran on, and says so at the end; with --no-skips a skipped test is a failure."""

from collections import Counter
from typing import Any

import pytest

RAN_ON = "ran on"


def ran_on(request: pytest.FixtureRequest, what: str) -> None:
    """Note that this test runs on `what`."""
    if (RAN_ON, what) not in request.node.user_properties:
        request.node.user_properties.append((RAN_ON, what))


class Tally:
    """The pytest plugin that counts."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[_reason(report)] += 1
        elif report.when == "call":
            self.ran.update(what for key, what in report.user_properties if key == RAN_ON)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped[_reason(report)] += 1

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.config.getoption("--no-skips") and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        for what, count in sorted(self.ran.items()):
            terminalreporter.write_line(f"{count:5} tests ran on {what}")
        for reason, count in self.skipped.most_common():
            terminalreporter.write_line(f"{count:5} skipped: {reason}", yellow=True)
        if self.skipped and config.getoption("--no-skips"):
            terminalreporter.write_line("failed: with --no-skips every test has to run", red=True)


def _reason(report: Any) -> str:
    where = report.longrepr
    text = where[2] if isinstance(where, tuple) else str(where)
    return str(text).removeprefix("Skipped: ")
