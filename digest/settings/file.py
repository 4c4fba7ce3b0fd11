"""Fills in a settings file: values for what it leaves out, and no change to what it sets."""

import re
from collections.abc import Mapping

from digest.settings.environment import quoted, values_in


def filled_in(text: str, where: str, values: Mapping[str, str]) -> str:
    """The text of the settings file `where` with `values`, by variable.

    A value replaces the commented default of its variable, or follows at the end. Raises SettingsError for a line
    with more than one meaning, and for a value that the file cannot hold.
    """
    present = values_in(text, where)
    for name, value in values.items():
        if name in present or f"{name}_FILE" in present:
            continue
        line = f"{name}={_held(name, value)}"
        text, replaced = re.subn(rf"^# {name}=.*$", lambda _match, line=line: line, text, count=1, flags=re.MULTILINE)
        if not replaced:
            text = f"{text.rstrip()}\n{line}\n"
    return text


def _held(name: str, value: str) -> str:
    """`value` as the file holds it. Raises SettingsError for a value that no quotes can hold."""
    written = quoted(value)
    _ = values_in(f"{name}={written}", name)
    return written
