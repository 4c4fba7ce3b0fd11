"""Reads the profile of `digest once` from a TOML file, with the rules of the preferences form."""

import tomllib
from collections.abc import Collection
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from digest.papers.topics import TOPIC_SLUGS, TOPICS
from digest.subscribers.preferences import parse_preferences
from digest.subscribers.subscriber import Preferences
from digest.text import listed

# "yes" or "no" in the form.
_SWITCHES = ("surprise", "full_lists")
_LISTS = ("topics", "keywords", "categories", "authors", "labs", "muted_topics", "muted_words")
_LIBRARY = ("library", "zotero")  # a file of a reference manager, and the user ID of a public library
_NAMES = (*_LISTS, *_SWITCHES, "balance", "papers", "language", *_LIBRARY)


class BadProfile(Exception):
    """A mistake in a profile. The message has a line for each: the name, and what to write."""


def read_profile(file: Path, now: datetime, languages: Collection[str], has_library: bool = False) -> Preferences:
    """Return the preferences in a profile file. Raises BadProfile."""
    form = {name: _texts(name, value, file) for name, value in _values(file).items() if name not in _LIBRARY}
    parsed = parse_preferences({"topics": [], **form}, now, languages=languages, has_liked=has_library)
    if isinstance(parsed, dict):
        raise BadProfile("\n".join(f"{file}: {name}: {_advice(name, str(words))}" for name, words in parsed.items()))
    return parsed


def library_in(file: Path) -> tuple[Path | None, str]:
    """Return the library file that a profile names, from the folder of the profile, and the user ID at Zotero. Raises
    BadProfile.
    """
    named = {name: _texts(name, value, file)[0] for name, value in _values(file).items() if name in _LIBRARY}
    library = named.get("library", "")
    return file.parent / library if library else None, named.get("zotero", "")


def _values(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise BadProfile(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as problem:
        raise BadProfile(f'{file}: not TOML, such as topics = ["vision", "robotics"] ({problem})') from None


def _texts(name: str, value: Any, file: Path) -> list[str]:
    """Return the value as a field of the form. Raises BadProfile."""
    if name not in _NAMES:
        near = get_close_matches(name, _NAMES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"available: {', '.join(_NAMES)}"
        raise BadProfile(f"{file}: unknown name {name!r} ({hint})")
    if name in _SWITCHES:
        if not isinstance(value, bool):
            raise BadProfile(f"{file}: {name}: write true or false")
        return ["yes" if value else "no"]
    if name not in _LISTS:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise BadProfile(f"{file}: {name}: write one value")
        return [str(value)]
    items = listed(value) if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise BadProfile(f'{file}: {name}: write a list of texts, such as ["first", "second"]')
    return [_slug(item) for item in items] if name.endswith("topics") else [", ".join(items)]


def _slug(text: str) -> str:
    """Return the slug of a topic, given by its slug or name."""
    wanted = text.strip().casefold()
    return next((topic.slug for topic in TOPICS if wanted in (topic.slug, str(topic.name).casefold())), text)


def _advice(name: str, problem: str) -> str:
    return f"use any of {', '.join(sorted(TOPIC_SLUGS))}" if name.endswith("topics") else problem
