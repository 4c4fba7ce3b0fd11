"""Reads settings from the environment, from a file of settings, and from the files that *_FILE names."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PREFIX = "DIGEST_"
FILE_VARIABLE = PREFIX + "ENV_FILE"
OPERATOR_VARIABLE = PREFIX + "OPERATOR"  # who runs a command, where it is not the name of the login
DEFAULT_FILES = (Path(".env"), Path("/etc/digest/digest.env"))

_NAME = re.compile(rf"[^#=]*?(?<!\w)({PREFIX}\w*)", re.IGNORECASE)
# Values that Digest, honcho, systemd and docker compose read alike: no backslash, and no dollar outside single quotes.
_BARE = r"[^\s'\"\\$`#]*"
_ASSIGNMENT = re.compile(rf"""[ \t]*\w+[ \t]*=[ \t]*(?:'([^'\\]*)'|"([^"\\$`]*)"|({_BARE}))[ \t]*""")
# Quoted text at the start of a value, where a backslash escapes a quotation mark, and where it does not.
_QUOTES = (
    re.compile(r"""(?:\s*(?:'[^']*'|"[^"]*"))*\s*"""),
    re.compile(r"""(?:\s*(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))*\s*"""),
)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")


class SettingsError(Exception):
    """One line for each wrong setting: its name and what to do. Never contains a secret."""


def settings_file() -> Path | None:
    """The file of settings: the one that DIGEST_ENV_FILE names, or else the first that exists."""
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named).expanduser()
    return next((path for path in DEFAULT_FILES if os.path.isfile(path)), None)  # noqa: PTH113 - False if not allowed


def at_home(path: Path) -> Path:
    """A relative path starts at the folder of the settings file, so that all commands mean the same one."""
    file = settings_file()
    try:
        return file.parent / path.expanduser() if file else path.expanduser()
    except RuntimeError:
        raise SettingsError(f"{path}: this machine has no user of that name; write the whole path") from None


def file_values() -> dict[str, str]:
    """The DIGEST_* variables in the settings file. Raises SettingsError for a line with more than one meaning."""
    path = settings_file()
    if path is None:
        return {}
    values = values_in(read_file(path, "name the settings file by --env-file or DIGEST_ENV_FILE"), str(path))
    if FILE_VARIABLE in values:  # honcho would pass it on, and then another file would be read
        raise SettingsError(f"{path}: remove {FILE_VARIABLE}; it only works in the environment")
    return values


def read_file(path: Path, remedy: str) -> str:
    """Read the text with its original line ends. Raises SettingsError."""
    return _read(path, remedy, encoding="utf-8")


def values_in(text: str, where: str) -> dict[str, str]:
    """Return the DIGEST_* variables in the text of a settings file. Raises SettingsError like file_values()."""
    if text.startswith("\ufeff"):
        raise SettingsError(
            f"{where}: save it as UTF-8 without a byte order mark; systemd and honcho would lose line 1"
        )
    values: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        here = f"{where}, line {number}"
        if match := _NAME.match(line):
            name = match[1].upper()
            values[name] = _value(here, name, line)
            if spelled.setdefault(name, match[1]) != match[1]:
                raise SettingsError(f"{here}: {name} is set twice; remove one of {spelled[name]} and {match[1]}")
        else:
            _check_other(here, line)
    return values


def _check_other(where: str, line: str) -> None:
    """Raise SettingsError for a line about another variable that some programs join with the next line."""
    if line.endswith("\\"):
        raise SettingsError(f"{where}: remove the backslash at its end; systemd would join the next line to it")
    if "\r" in line:
        raise SettingsError(
            f"{where}: end each line with a line feed; some programs do not accept a carriage return alone"
        )
    if not line.lstrip().startswith(("#", ";")) and any(_is_open(pattern, line) for pattern in _QUOTES):
        raise SettingsError(
            f"{where}: close the quotation mark; systemd and docker compose would read on past the line"
        )


def field_values(given: Mapping[str, str], names: Iterable[str]) -> dict[str, Any]:
    """The settings among the variables `given`, by field name; one named *_FILE is the content of that file."""
    values: dict[str, Any] = {}
    for name in names:
        variable = PREFIX + name.upper()
        text, file = given.get(variable), given.get(variable + "_FILE")
        if text and file:
            raise SettingsError(f"{variable} and {variable}_FILE are both set; remove one of them")
        if text is not None and len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            raise SettingsError(
                f"{variable}: the quotes arrived as a part of the value, as `docker run --env-file` passes them; "
                "remove them there"
            )
        if file:
            text = _read(at_home(Path(file)), f"check {variable}_FILE", f"{variable}_FILE: ").strip()
        if text is not None:
            if _UNPRINTABLE.search(text):
                raise SettingsError(f"{variable}: write it in UTF-8, without control characters")
            values[name] = text
    return values


def _is_open(quotes: re.Pattern[str], line: str) -> bool:
    _, _, value = re.sub("[:=]", "=", line, count=1).partition("=")
    match = quotes.match(value)
    return match is not None and value[match.end() :].startswith(("'", '"'))


def quoted(value: str) -> str:
    """`value` as it is written in a settings file."""
    if re.fullmatch(_BARE, value):
        return value
    return f'"{value}"' if "'" in value else f"'{value}'"


def _value(where: str, name: str, line: str) -> str:
    match = _ASSIGNMENT.fullmatch(line)
    value = next((text for text in match.groups() if text is not None), "") if match else "\0"
    if not value.isprintable():
        raise SettingsError(
            f"{where}: write {name}='value'; a value with blanks, # or $ needs these quotes (\"value\" if it has an "
            f"apostrophe), a comment its own line, and what neither quotes can hold a file: {name}_FILE=/path"
        )
    return value


def _read(path: Path, remedy: str, variable: str = "", encoding: str = "utf-8-sig") -> str:
    try:
        return path.read_bytes().decode(encoding)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{variable}cannot read {path} ({reason}); {remedy}") from None
