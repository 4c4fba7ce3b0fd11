"""Writes docs/openapi.json, the description of the API, from its routes: `python -m digest.web.api.reference`."""

import json
from pathlib import Path

from digest.web.api.app import openapi

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"


def description() -> str:
    return json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(description(), "utf-8")
