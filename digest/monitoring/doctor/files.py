"""Checks that other users of this machine cannot read the settings, the data folder and the logs in it."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from digest.monitoring.doctor.finding import Finding
from digest.settings import Settings, settings_file

_OTHERS, _GROUP_AND_OTHERS = 0o007, 0o077
_MOST = 10_000  # files to look at
_NAMED = 3


def files(settings: Settings) -> Iterator[Finding]:
    """A finding for the file of settings, which a group may read, and one for the data folder."""
    file = settings_file()
    if file is not None and _mode(file) & _OTHERS:
        state = f"others on this machine can read {file}, which may hold passwords"
        yield Finding("settings file", False, state, f"Run: chmod o= {file}")
    folder = settings.data_dir.absolute()
    if open_files := _open_files(folder):
        more = f" and {len(open_files) - _NAMED} more" if len(open_files) > _NAMED else ""
        state = f"others on this machine can read {', '.join(map(str, open_files[:_NAMED]))}{more}"
        yield Finding("data folder", False, state, f"Run: chmod -R go= {folder}")
    else:
        yield Finding("data folder", True, f"{folder}: others cannot read it")


def _open_files(folder: Path) -> list[Path]:
    """The files in `folder`, at any depth, that others can reach and read."""
    if not _mode(folder) & _GROUP_AND_OTHERS:
        return []
    paths = (Path(parent, name) for parent, _folders, names in os.walk(folder) for name in names)
    return [path for path in islice(paths, _MOST) if _mode(path) & _GROUP_AND_OTHERS]


def _mode(path: Path) -> int:
    """0 for what is not there, or not for us to see."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0
