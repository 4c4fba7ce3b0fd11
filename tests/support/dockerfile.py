"""Follows a Dockerfile without a container builder: each stage is a copy of a root made by debootstrap."""

import json
import os
import re
import subprocess
from pathlib import Path

from tests.support.clean_root import ROOT, CleanRoot

DATA = "/var/lib/digest"
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


class Image(CleanRoot):
    """The folders that a Dockerfile makes, one for each stage, and the user, folder and command of the last."""

    def __init__(self, base: Path, target: Path) -> None:
        super().__init__(target)
        self._base, self._target = base, target
        self._stages: dict[str, Path] = {}
        self.environment: dict[str, str] = {}
        self.user, self.entry, self.command = "0", [], []
        self.workdir = "/"

    def build(self, dockerfile: Path) -> None:
        text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
        for line in re.sub(r"\\\n", " ", text).splitlines():
            word, _, rest = line.partition(" ")
            if word:
                getattr(self, f"_{word.lower()}")(rest.strip())

    def _inside(self, command: str) -> list[str]:
        # The package index configured on this machine.
        index = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or "proxy" in name}
        fixed = {"HOME": "/root", "PATH": _PATH, "LC_ALL": "C.UTF-8"}
        environment = [f"{name}={value}" for name, value in (index | fixed | self.environment).items()]
        return ["env", "-i", *environment, "chroot", str(self.folder), "sh", "-c", f"cd {self.workdir} && {command}"]

    def _from(self, rest: str) -> None:
        name = rest.partition(" AS ")[2] or "last"
        self.folder = self._stages[name] = self._target / name
        subprocess.run(["cp", "-ax", str(self._base), str(self.folder)], check=True)
        self.environment, self.user, self.workdir = {}, "0", "/"

    def _env(self, rest: str) -> None:
        path = self.environment.get("PATH", _PATH)
        for name, value in re.findall(r"(\w+)=(\S+)", rest):
            self.environment[name] = value.replace("$PATH", path)

    def _workdir(self, rest: str) -> None:
        self.workdir = rest
        (self.folder / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _run(self, rest: str) -> None:
        self.run(rest)

    def _copy(self, rest: str) -> None:
        *sources, target = rest.split()
        root = self._stages[sources.pop(0).removeprefix("--from=")] if rest.startswith("--from=") else ROOT
        for source in sources:
            to = target if target.startswith("/") else f"{self.workdir}/{target}"
            whole = root / source.lstrip("/")
            to = f"{to}/{whole.name}" if whole.is_file() else to
            arguments = ["cp", "-aT", str(whole), str(self.folder / to.lstrip("/"))]
            subprocess.run(arguments, check=True)

    def _user(self, rest: str) -> None:
        self.user = rest

    def _entrypoint(self, rest: str) -> None:
        self.entry = json.loads(rest)

    def _cmd(self, rest: str) -> None:
        self.command = json.loads(rest)

    def _volume(self, rest: str) -> None:
        """A folder that stays writable: see program()."""

    _expose = _stopsignal = _healthcheck = _volume

    def program(self, *arguments: str, entry: str = "") -> list[str]:
        """A program of the image, as its user, in a read-only root; its data, /tmp and /dev/shm are writable."""
        words = entry or " ".join([*self.entry, *(arguments or self.command)])
        root = self.folder
        mounts = (
            f"mount --bind {root} {root} && mount --bind {root}{DATA} {root}{DATA} && mount -t tmpfs none {root}/tmp"
            f" && mount -t tmpfs none {root}/dev/shm && mount -t proc none {root}/proc"
            f" && mount -o remount,bind,ro {root}"
        )
        environment = " ".join(f"{name}={value}" for name, value in self.environment.items())
        change = f"exec chroot --userspec={self.user}: {root} setpriv --no-new-privs env -i {environment}"
        inside = f"cd {self.workdir} && exec {words}"
        return ["unshare", "--mount", "sh", "-c", f'{mounts} && {change} sh -c "{inside}"']
