"""Reads a settings file like other programs: with systemd's own code if installed, and by docker compose's rules."""

import ctypes
import re
from pathlib import Path


class Rejected(Exception):
    """The program refuses the file."""


def systemd_parser() -> "ctypes.CDLL | None":
    """systemd's shared code, or None where it is not installed."""
    libraries = sorted(map(str, Path("/usr/lib").glob("*/systemd/libsystemd-shared-*.so")))
    try:
        return ctypes.CDLL(libraries[-1]) if libraries else None
    except OSError:
        return None


def as_systemd_reads(library: ctypes.CDLL, file: Path) -> dict[str, str]:
    """The variables that EnvironmentFile= takes from the file."""
    read = library.load_env_file
    read.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_char_p))]
    lines = ctypes.POINTER(ctypes.c_char_p)()
    if read(None, bytes(file), ctypes.byref(lines)) < 0:
        raise Rejected
    values: dict[str, str] = {}
    for number in range(10_000):
        if not lines or lines[number] is None:
            break
        name, _, value = lines[number].decode().partition("=")
        values[name] = value
    return values


# --- docker compose (the file of `env_file:`, by the source of compose-go 2) ---

_SPACE = "\t\v\f\r \x85\xa0"
_EXPANDED = re.compile(r"\$(?:\$|\{[^}]*\}|[A-Za-z_]\w*)")


def as_compose_reads(text: str) -> dict[str, str]:
    """Raises Rejected for what compose cannot read. Variables are expanded as if none were set."""
    values: dict[str, str] = {}
    rest = text.removeprefix("\ufeff").replace("\r\n", "\n")
    while rest := rest.lstrip():
        if rest.startswith("#"):
            rest = rest.partition("\n")[2]
            continue
        name, rest, has_value = _name(rest)
        if has_value:
            values[name], rest = _value(rest)
    return values


def _name(rest: str) -> tuple[str, str, bool]:
    rest = rest.removeprefix("export").lstrip(_SPACE)
    for at, sign in enumerate(rest):
        if sign in "=:\n":
            name = rest[:at].rstrip()
            if " " in name:
                raise Rejected(name)
            return name, rest[at + 1 :].lstrip(_SPACE), sign != "\n"
        if not (sign in _SPACE or sign in "_.-[]" or sign.isalnum()):
            raise Rejected(sign)
    return rest, "", False


def _value(rest: str) -> tuple[str, str]:
    if not rest.startswith(("'", '"')):
        line, newline, rest = rest.partition("\n")
        bare = re.split(r"\s#|^#", line)[0].rstrip()
        return _expanded(bare), newline + rest
    quote = rest[0]
    match = re.match(rf"{quote}((?:(?!(?<!\\){quote}).)*)(?<!\\){quote}", rest, re.DOTALL)
    if not match:
        raise Rejected(rest.partition("\n")[0])
    inner = match[1]
    if quote == '"':
        inner = re.sub(r"\\(.)", lambda escape: {"n": "\n", "r": "\r"}.get(escape[1], escape[1]), inner)
        inner = _expanded(inner)
    return inner, rest[match.end() :]


def _expanded(value: str) -> str:
    return _EXPANDED.sub(lambda name: "$" if name[0] == "$$" else "", value)
