"""The reference of all settings, generated from the class: docs/configuration.md and .env.example.

`python -m digest.settings.reference` writes both; with `--check` it exits 1 when they differ from the class.
"""

import sys
import textwrap
from datetime import time
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from digest.settings.secrets import PREFIX
from digest.settings.settings import GROUPS

_ROOT = Path(__file__).parents[2]

_HEAD = """# Configuration

Every setting is an environment variable. A file `.env` in the current folder is read as well; the environment wins.
A first run needs no setting. `digest doctor` lists what is missing for real email.

- To read a secret from a file, append `_FILE` to the name: `DIGEST_SMTP_URL_FILE=/run/secrets/smtp_url`.
- Separate the items of a list by spaces.
- A misspelt `DIGEST_…` variable is reported at start. A wrong value prevents the start, with one line that says why.

*Generated from `digest/settings/` by `make docs`.*
"""

_ENV_HEAD = """# Every setting with its default. Remove the leading `# ` to change one. Separate the items of a list by spaces.
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
    return f"\n{explained}\n# {PREFIX}{name.upper()}={_default(field)}\n"


def _bounds(field: FieldInfo) -> list[str]:
    words = {"ge": "from", "gt": "more than", "le": "up to"}
    limits = [
        f"{word} {getattr(rule, name)}"
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
