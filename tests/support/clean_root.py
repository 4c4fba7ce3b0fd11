"""Follows docs/install.md in a clean Debian, without its systemd: the commands of the units are started by hand."""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HEADING = "## With systemd"


def commands(page: Path) -> list[str]:
    """Return the commands of the part about systemd, each with the text that it reads."""
    part = page.read_text().partition(_HEADING)[2].partition("\n## ")[0]
    lines, found = "".join(_BLOCK.findall(part)).splitlines(), []
    while lines:
        command = lines.pop(0)
        if "<<'END'" in command:
            end = lines.index("END")
            command = "\n".join([command, *lines[: end + 1]])
            del lines[: end + 1]
        found.append(command)
    return found


def started_by(command: str) -> list[str]:
    """Return the names of the units that a command starts."""
    match = re.fullmatch(r"systemctl enable --now (.*)", command)
    return match[1].split() if match else []


def unit_command(name: str) -> str:
    """Return the command of a unit, run as its user."""
    file = f"{name.partition('@')[0]}@.service" if "@" in name else f"{name}.service"
    unit = (ROOT / "deploy" / "systemd" / file).read_text()
    (run,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    folder = re.search(r"^WorkingDirectory=(.*)$", unit, re.MULTILINE)
    return f"cd {folder[1] if folder else '/'} && umask 0077 && exec runuser -u digest -- {run}"


class CleanRoot:
    """A Debian in a folder, made by debootstrap. Keeps all commands that were run in it, with their output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.transcript: list[str] = []

    def copy(self, source: Path, target: str) -> None:
        to = self.folder / target.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, to, dirs_exist_ok=True)
        else:
            shutil.copy(source, to)

    def run(self, command: str, shown: bool = True, seconds: float = 900) -> str:
        """Run a command in the clone, and return its output. Raises CalledProcessError."""
        done = subprocess.run(
            self._inside(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=seconds,
        )
        if shown:
            self.transcript += [f"# {command}", done.stdout.rstrip()]
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout)
        return done.stdout

    def start(self, command: str, log: str) -> "subprocess.Popen[bytes]":
        """Start what systemd would start."""
        self.transcript.append(f"# started for systemd: {command}")
        with (self.folder / "tmp" / log).open("wb") as output:
            return subprocess.Popen(self._inside(command), stdout=output, stderr=output, stdin=subprocess.DEVNULL)

    def _inside(self, command: str) -> list[str]:
        fixed = ["HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        # The package index configured on this machine.
        index = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("PIP_") or "proxy" in name]
        environment = [*fixed, *index]
        return ["env", "-i", *environment, "chroot", str(self.folder), "sh", "-c", f"cd /root/digest && {command}"]
