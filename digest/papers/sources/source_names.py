"""The names of the paper sources: our own, and those of installed packages.

A package adds a source by an entry point of the group `digest.sources`; docs/sources.md has a worked example.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

GROUP = "digest.sources"
SUGGESTIONS = "readers"  # the setting's word for what subscribers suggest
OWN = ("huggingface", "arxiv", "hackernews", "feeds", SUGGESTIONS)
DEFAULT = ("huggingface", "arxiv", "hackernews")


@cache
def added() -> dict[str, EntryPoint]:
    """Sources of other packages by name. They cannot take one of our own names."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in OWN}


def names() -> tuple[str, ...]:
    """Every name that DIGEST_SOURCES may contain."""
    return (*OWN, *sorted(added()))
