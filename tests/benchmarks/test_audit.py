"""The audit of the lock files finds what is known to be vulnerable, and says so when it has no data to find it in."""

import json
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from benchmarks import audit
from benchmarks.audit import LOCKS, NoData, asked_online, is_allowed, licence_of, pins, read_offline, wrong_licences
from benchmarks.structure import ROOT
from tests.support.webhook_receiver import receiving

LICENCES = {"MIT": "", "BSD-3-Clause": ""}


@pytest.fixture
def locked(tmp_path: Path) -> list[audit.Pin]:
    lock = tmp_path / "some.lock"
    lock.write_text(
        "Some_Name==1.5 ; sys_platform == 'win32' \\\n    --hash=sha256:00\nother==2.0 \\\n    --hash=sha256:00\n"
    )
    return pins([lock])


def osv_file(folder: Path, *entries: dict[str, object]) -> Path:
    file = folder / "all.zip"
    with zipfile.ZipFile(file, "w") as files:
        for number, entry in enumerate(entries):
            whole = {"id": f"PYSEC-{number}", "modified": "2026-11-01T00:00:00Z"} | entry
            files.writestr(f"PYSEC-{number}.json", json.dumps(whole))
    return file


def affecting(name: str, *events: dict[str, str], versions: tuple[str, ...] = ()) -> dict[str, object]:
    package = {"ecosystem": "PyPI", "name": name}
    ranges = [{"type": "ECOSYSTEM", "events": events}]
    return {"affected": [{"package": package, "versions": versions, "ranges": ranges}]}


def test_every_pin_is_read_with_its_marker(locked: list[audit.Pin]) -> None:
    assert locked == [("other", "2.0", True), ("some-name", "1.5", False)]
    assert len(pins(ROOT / lock for lock in LOCKS)) > 120


@pytest.mark.parametrize(
    ("entry", "is_found"),
    [
        (affecting("Some.Name", versions=("1.4", "1.5")), True),
        (affecting("some-name", {"introduced": "0"}, {"fixed": "1.6"}), True),
        (affecting("some-name", {"introduced": "0"}, {"fixed": "1.5"}), False),
        (affecting("some-name", {"introduced": "1.0"}, {"last_affected": "1.5"}), True),
        (affecting("some-name", {"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "1.5"}), True),
        (affecting("some-name", {"introduced": "1.6"}), False),
        (affecting("another-name", {"introduced": "0"}), False),
        (affecting("some-name", {"introduced": "0"}) | {"withdrawn": "2026-11-02T00:00:00Z"}, False),
    ],
)
def test_a_machine_without_internet_reads_a_file_of_osv(
    locked: list[audit.Pin], tmp_path: Path, entry: dict[str, object], is_found: bool
) -> None:
    found = read_offline(locked, osv_file(tmp_path, entry))
    assert {pin.name: ids for pin, ids in found.items()} == ({"some-name": {"PYSEC-0"}} if is_found else {})


def test_osv_is_asked_for_all_packages_at_once(locked: list[audit.Pin]) -> None:
    answer = json.dumps({"results": [{}, {"vulns": [{"id": "PYSEC-1"}]}]}).encode()
    with receiving() as osv:
        osv.answer = lambda _query: (200, {}, answer)
        found = asked_online(locked, osv.url)
    (query,) = osv.documents
    assert query["queries"][1] == {"package": {"name": "some-name", "ecosystem": "PyPI"}, "version": "1.5"}
    assert {pin.name: ids for pin, ids in found.items()} == {"some-name": {"PYSEC-1"}}


@pytest.mark.parametrize("data", [b"", b"PK no zip"])
def test_a_file_without_entries_is_no_data(locked: list[audit.Pin], tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "all.zip"
    file.write_bytes(data)
    for each in (file, osv_file(tmp_path), tmp_path / "missing.zip"):
        with pytest.raises(NoData):
            read_offline(locked, each)


def test_without_data_the_audit_says_so_and_ends_with_a_code_of_its_own(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["audit", "--url", "http://127.0.0.1:9/v1/querybatch"])
    assert audit.main() == audit.NO_DATA
    assert "vulnerabilities: not checked" in capsys.readouterr().out


def test_a_known_vulnerability_is_a_failure_until_a_reason_is_given(monkeypatch, capsys, tmp_path: Path) -> None:
    data = osv_file(tmp_path, affecting("celery", {"introduced": "0"}))
    monkeypatch.setattr("sys.argv", ["audit", "--data", str(data)])
    assert audit.main() == 1
    assert "PYSEC-0" in capsys.readouterr().out
    accepting = tmp_path / "audit.toml"
    accepting.write_text(audit._ACCEPTED.read_text() + '"PYSEC-0" = "a reason"\n')
    monkeypatch.setattr(audit, "_ACCEPTED", accepting)
    assert audit.main() == 0


@pytest.mark.parametrize(
    ("fields", "is_fine"),
    [
        ({"License-Expression": "MIT"}, True),
        ({"License-Expression": "GPL-3.0-only OR BSD-3-Clause"}, True),
        ({"License-Expression": "MIT AND GPL-3.0-only"}, False),
        ({"License-Expression": "(MIT OR GPL-3.0-only) AND BSD-3-Clause"}, False),  # for a person to read
        ({"License": "MIT\nand a text of many lines"}, True),
        ({"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}, False),
        ({"Classifier": "License :: OSI Approved"}, False),
        ({}, False),
    ],
)
def test_a_licence_is_allowed_by_name_or_reported(fields: dict[str, str], is_fine: bool) -> None:
    about = Message()
    for name, value in fields.items():
        about[name] = value
    assert is_allowed(licence_of(about), LICENCES) == is_fine


def test_the_licences_of_all_that_is_pinned_are_accepted_with_a_reason() -> None:
    accepted = tomllib.loads(audit._ACCEPTED.read_text())
    packages = pins(ROOT / lock for lock in LOCKS)
    assert list(wrong_licences(packages, accepted)) == []
    assert all(reason for table in accepted.values() for reason in table.values())
    assert accepted["packages"].keys() <= {pin.name for pin in packages}
