"""Notices in the formats that mail programs and providers document, composed for these tests."""

from pathlib import Path

import pytest

from digest.bounces.reading import read

# Each begins with "=== name: kind status recipient, …", with a hyphen for no status.
NOTICES = [notice.partition("\n") for notice in (Path(__file__).parent / "mail_programs.txt").read_text().split("=== ")]


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        pytest.param(title.rpartition(": ")[2], message, id=title.rpartition(": ")[0])
        for title, _, message in NOTICES[1:]
    ],
)
def test_a_notice_of_a_mail_program_is_read(expected: str, message: str) -> None:
    reports = read(f"To: bounces@digest.example.org\n{message}".encode())
    assert ", ".join(f"{report.kind} {report.status or '-'} {report.recipient}" for report in reports) == expected
