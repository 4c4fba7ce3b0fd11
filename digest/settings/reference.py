"""The reference of all settings, generated from the class: docs/configuration.md and .env.example.

`python -m digest.settings.reference` writes both; with `--check` it exits 1 when they differ from the class.
"""

import sys
import textwrap
from datetime import time
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from digest.settings.environment import PREFIX, quoted
from digest.settings.model import GROUPS

_ROOT = Path(__file__).parents[2]

_HEAD = """# Configuration

Every setting is an environment variable or a line of the settings file; the environment wins. A first run needs no
setting. `digest doctor` lists what is missing for real email.

- The file is the one that `digest --env-file FILE …` or `DIGEST_ENV_FILE` names, otherwise `.env` in the current folder,
  otherwise `/etc/digest/digest.env`. Relative paths in settings start at the folder of that file.
- The file has one `NAME=value` a line, and lines that start with `#` are comments. A value with a blank, `#` or `$` needs
  single quotes: `DIGEST_TITLE='Daily Papers'`. One with an apostrophe needs double quotes: `DIGEST_TITLE="Ada's Papers"`.
  Nothing is expanded, and backslashes are rejected. Digest, honcho, systemd (`EnvironmentFile=`) and docker compose
  (`env_file:`) read such a file alike; a line that they would read in different ways prevents the start. A value that no
  quotes can hold needs a file of its own (`_FILE`).
- In the user and password of a URL, write `#` as `%23`, `/` as `%2F`, `?` as `%3F`, `@` as `%40`, a blank as `%20`.
- To read a secret from a file, append `_FILE` to the name: `DIGEST_SMTP_URL_FILE=/run/secrets/smtp_url`.
- Separate the items of a list by spaces.
- A misspelt `DIGEST_…` variable is reported at start. A wrong value prevents the start, with one line that says why.

*Generated from `digest/settings/` by `make docs`.*
"""

_ENV_HEAD = """# Every setting with its default. Remove the leading `# ` to change one. Separate the items of a list by spaces.
# Quotes: 'single' for a value with blanks, # or $, "double" for one with an apostrophe; comments on lines of their own.
# Generated from digest/settings/ by `make docs`.
"""


def configuration() -> str:
    """The text of docs/configuration.md."""
    return _HEAD + "".join(
        f"\n## {group.__doc__}\n" + "".join(_section(name, field) for name, field in group.model_fields.items())
        for group in GROUPS
    )


def env_example() -> str:
    """The text of .env.example."""
    return _ENV_HEAD + "".join(
        f"\n\n# --- {group.__doc__} ---\n"
        + "".join(_example(name, field) for name, field in group.model_fields.items())
        for group in GROUPS
    )


def files(root: Path) -> dict[Path, str]:
    """The generated files and their contents."""
    return {root / "docs" / "configuration.md": configuration(), root / ".env.example": env_example()}


def main(arguments: list[str], root: Path = _ROOT) -> int:
    """Write the files, or with --check compare them. The exit code."""
    differing = [path for path, text in files(root).items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in differing:
            sys.stderr.write(f"{path.name} differs from digest/settings/: run `make docs`\n")
        return 1 if differing else 0
    for path in differing:
        path.write_text(files(root)[path])
    return 0


def _section(name: str, field: FieldInfo) -> str:
    default = _default(field)
    facts = [f"Default: `{default}`" if default else "Default: empty", *_bounds(field)]
    return f"\n### `{PREFIX}{name.upper()}`\n{field.description}\n\n{'. '.join(facts)}.\n"


def _example(name: str, field: FieldInfo) -> str:
    explained = textwrap.fill(field.description or "", 116, initial_indent="# ", subsequent_indent="# ")
    return f"\n{explained}\n# {PREFIX}{name.upper()}={quoted(_default(field))}\n"


def _bounds(field: FieldInfo) -> list[str]:
    words = {
        "ge": "from {}",
        "gt": "more than {}",
        "le": "up to {}",
        "min_length": "from {}",
        "max_length": "up to {} characters",
    }
    limits = [
        word.format(getattr(rule, name))
        for rule in field.metadata
        for name, word in words.items()
        if hasattr(rule, name)
    ]
    return [" ".join(limits).capitalize()] if limits else []


def _default(field: FieldInfo) -> str:
    value = field.default
    if value in (None, {}):
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
