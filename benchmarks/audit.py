"""Looks up the pinned packages of both lock files: known vulnerabilities, and licences that Digest cannot be used with.

`python -m benchmarks.audit [--data all.zip]`: vulnerabilities come from api.osv.dev. A machine without internet needs
the file https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip; without either, this says so. Licences come
from the metadata of the installed packages. benchmarks/audit.toml has what is accepted, and why.
Exit code 1: something was found. 3: no licence is wrong, but there is no data about vulnerabilities.
"""

import argparse
import json
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from benchmarks.structure import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")
OSV = "https://api.osv.dev/v1/querybatch"
NO_DATA = 3
_ACCEPTED = Path(__file__).with_suffix(".toml")
_PIN = re.compile(r"^[\w.-]+==.*?(?= \\$|$)", re.MULTILINE)
_SECONDS = 20
_NO_LICENCE = ("DFSG approved", "OSI Approved")  # classifiers above those of licences


class Pin(NamedTuple):
    """A pinned package; not `is_here` if its marker excludes this machine."""

    name: str
    version: str
    is_here: bool


class NoData(Exception):
    """There is no data about vulnerabilities; the message says what was tried."""


def pins(locks: Iterable[Path]) -> list[Pin]:
    """The packages of the lock files, each version once."""
    found = set()
    for lock in locks:
        for text in _PIN.findall(lock.read_text(encoding="utf-8")):
            pinned = Requirement(text)
            (version,) = (specifier.version for specifier in pinned.specifier)
            is_here = pinned.marker is None or pinned.marker.evaluate()
            found.add(Pin(canonicalize_name(pinned.name), version, is_here))
    return sorted(found)


# --- vulnerabilities ---


def asked_online(packages: list[Pin], url: str = OSV) -> dict[Pin, set[str]]:
    """The known vulnerabilities of each package. Raises NoData."""
    package = [{"package": {"name": pin.name, "ecosystem": "PyPI"}, "version": pin.version} for pin in packages]
    try:
        answer = httpx2.post(url, json={"queries": package}, timeout=_SECONDS).raise_for_status().json()
        results = [{each["id"] for each in result.get("vulns", ())} for result in answer["results"]]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError) as problem:
        reason = (str(problem) or type(problem).__name__).splitlines()[0]
        raise NoData(f"{url} cannot be asked: {reason}") from None
    if len(results) != len(packages):
        raise NoData(f"{url} gave {len(results)} answers to {len(packages)} questions")
    return {pin: ids for pin, ids in zip(packages, results, strict=True) if ids}


def read_offline(packages: list[Pin], data: Path) -> dict[Pin, set[str]]:
    """The same from a file of OSV. Raises NoData."""
    by_name: dict[str, list[Pin]] = {}
    for pin in packages:
        by_name.setdefault(pin.name, []).append(pin)
    found: dict[Pin, set[str]] = {}
    newest = ""
    try:
        for entry in _entries(data):
            newest = max(newest, entry["modified"])
            if "withdrawn" not in entry:
                for affected in entry.get("affected", ()):
                    for pin in by_name.get(_name_of(affected), ()):
                        if is_affected(pin.version, affected):
                            found.setdefault(pin, set()).add(entry["id"])
    except (OSError, zipfile.BadZipFile, ValueError, KeyError) as problem:
        raise NoData(f"{data} cannot be read: {problem}") from None
    if not newest:
        raise NoData(f"{data} has no entries")
    sys.stderr.write(f"the newest entry of {data.name} is of {newest[:10]}\n")
    return found


def _entries(data: Path) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(data) as files:
        for name in files.namelist():
            if name.endswith(".json"):
                yield json.loads(files.read(name))


def _name_of(affected: Mapping[str, Any]) -> str:
    package = affected.get("package", {})
    return canonicalize_name(package["name"]) if package.get("ecosystem") == "PyPI" else ""


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """True if an entry of OSV lists the version or has it in a range (ossf.github.io/osv-schema)."""
    if version in affected.get("versions", ()):
        return True
    ranges = [each for each in affected.get("ranges", ()) if each["type"] == "ECOSYSTEM"]
    return any(_is_within(Version(version), each["events"]) for each in ranges)


def _is_within(version: Version, events: Iterable[Mapping[str, str]]) -> bool:
    inside = False
    for event in events:  # in order, from the oldest version to the newest
        ((kind, text),) = event.items()
        try:
            bound = Version(text)
        except InvalidVersion:
            continue  # of the time before there was a grammar
        if kind == "introduced" and version >= bound:
            inside = True
        elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
            inside = False
    return inside


# --- licences ---


def licence_of(about: Any) -> str:
    """The licence in a package's metadata, as an SPDX expression where there is one; "" for none."""
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [text.rpartition(" :: ")[2] for text in about.get_all("Classifier") or () if text[:7] == "License"]
    named = [name for name in classifiers if name not in _NO_LICENCE]
    return " AND ".join(named) or next(iter((about.get("License") or "").splitlines()), "")


def is_allowed(licence: str, allowed: Mapping[str, str]) -> bool:
    """True if one alternative of an expression has only allowed licences; one with brackets is for a person to read."""
    ways = (way.split(" AND ") for way in licence.split(" OR "))
    return any(all(name in allowed for name in way) for way in ways)


def wrong_licences(packages: Iterable[Pin], accepted: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yields a line for each package that is installed here and whose licence is not accepted."""
    for pin in packages:
        if not pin.is_here or pin.name in accepted["packages"]:
            continue
        try:
            licence = licence_of(metadata.metadata(pin.name))
        except metadata.PackageNotFoundError:
            yield f"{pin.name}: not installed here, so its licence is not known"
            continue
        if not is_allowed(licence, accepted["licences"]):
            yield f"{pin.name}: {licence or 'no licence in its metadata'}"


# --- the report ---


def main() -> int:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the vulnerabilities of PyPI, as a file of OSV [default: ask OSV]")
    parser.add_argument("--url", default=OSV, help=argparse.SUPPRESS)
    options = parser.parse_args()
    accepted = tomllib.loads(_ACCEPTED.read_text(encoding="utf-8"))
    packages = pins(ROOT / lock for lock in LOCKS)
    here = [pin for pin in packages if pin.is_here]
    wrong = list(wrong_licences(packages, accepted))
    print(f"licences: {len(here)} packages, {len(wrong)} to look at")
    for line in wrong:
        print(f"  {line}")
    try:
        found = read_offline(packages, options.data) if options.data else asked_online(packages, options.url)
    except NoData as problem:
        print(f"vulnerabilities: not checked. {problem}")
        print("  without internet: fetch PyPI/all.zip of OSV elsewhere, then make audit ARGS='--data all.zip'")
        return 1 if wrong else NO_DATA
    open_ones = {pin: sorted(ids - accepted["vulnerabilities"].keys()) for pin, ids in found.items()}
    open_ones = {pin: ids for pin, ids in open_ones.items() if ids}
    print(f"vulnerabilities: {len(packages)} packages, {len(open_ones)} with known ones")
    for pin, ids in open_ones.items():
        print(f"  {pin.name} {pin.version}: {', '.join(ids)}")
    return 1 if wrong or open_ones else 0


if __name__ == "__main__":
    sys.exit(main())
