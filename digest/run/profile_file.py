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
_NAMES = (*_LISTS, *_SWITCHES, "balance", "papers", "language")


class BadProfile(Exception):
    """A mistake in a profile. The message has a line for each: the name, and what to write."""


def read_profile(file: Path, now: datetime, languages: Collection[str]) -> Preferences:
    """Return the preferences in a profile file. Raises BadProfile."""
    try:
        values = tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise BadProfile(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as problem:
        raise BadProfile(f'{file}: not TOML, such as topics = ["vision", "robotics"] ({problem})') from None
    form = {name: _texts(name, value, file) for name, value in values.items()}
    parsed = parse_preferences({"topics": [], **form}, now, languages=languages)
    if isinstance(parsed, dict):
        raise BadProfile("\n".join(f"{file}: {name}: {_advice(name, str(words))}" for name, words in parsed.items()))
    return parsed


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
