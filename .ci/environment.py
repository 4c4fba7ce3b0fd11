"""Builds .venv from a lock file: with uv for speed, or with pip where uv cannot be had. Needs nothing but Python.

`python .ci/environment.py requirements.lock` installs what running needs and the project itself, editable;
`python .ci/environment.py requirements-dev.lock` adds what checking and testing need.
"""

from __future__ import annotations  # so that an older Python gets as far as being told so

import itertools
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PIP = [str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]


def main(lock: Path) -> int:
    """Build or complete .venv. The exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs before anything checked it
        return _fail("Digest needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")
    sys.stderr.write(f"Setting up .venv from {lock.name} …\n")
    try:
        _make_venv()
        _install(["--require-hashes", "-r", str(lock)])
        _install(["--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    except subprocess.CalledProcessError as error:
        return _fail(f"{' '.join(map(str, error.cmd[:4]))} … ended with exit code {error.returncode}; see above")
    return 0


def _make_venv() -> None:
    if PYTHON.exists():
        return
    if uv := shutil.which("uv"):
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, VENV], check=True)
        return
    try:
        venv.create(VENV, with_pip=True, symlinks=True)
    except subprocess.CalledProcessError:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SystemExit(
            _fail("this Python cannot make environments; on Debian: apt-get install python3-venv")
        ) from None


def _install(what: list[str]) -> None:
    uv = shutil.which("uv") or _own_uv()
    if uv:
        # Its own list of authorities does not know those of a company; the system's does, where there is one.
        known = any(map(bool, ssl.get_default_verify_paths()[:2]))
        environment = os.environ | ({"UV_SYSTEM_CERTS": "true"} if known else {})
        command = [uv, "pip", "install", "--quiet", "--python", PYTHON, *what]
        done = subprocess.run(command, check=False, env=environment)
        if done.returncode == 0:
            return
        sys.stderr.write("uv could not do it (see above); trying pip …\n")
    subprocess.run([PYTHON, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*PIP, *what], check=True)


def _own_uv() -> str | None:
    """The uv in .venv, installed first when it is not there yet; pip alone would take four times as long."""
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pinned:
            pinned.write(_pin_of("uv"))
            pinned.flush()
            subprocess.run([*PIP, "--require-hashes", "-r", pinned.name], check=False, stderr=subprocess.DEVNULL)
    return str(uv) if uv.exists() else None


def _pin_of(name: str) -> str:
    """The lines of the lock file that pin one package with its hashes."""
    lines = (ROOT / "requirements-dev.lock").read_text().splitlines()
    first, *rest = itertools.dropwhile(lambda line: not line.startswith(f"{name}=="), lines)
    hashes = list(itertools.takewhile(lambda line: line.startswith(" "), rest))
    return "\n".join([first, *hashes]) + "\n"


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 3


if __name__ == "__main__":
    sys.exit(main(ROOT / sys.argv[1]))
