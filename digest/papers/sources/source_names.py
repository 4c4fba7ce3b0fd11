"""The names of the paper sources that there are: our own, and those of installed packages.

A package adds a source by an entry point of the group `digest.sources`; docs/sources.md has a worked example.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

GROUP = "digest.sources"
OWN = ("huggingface", "arxiv", "hackernews", "feeds", "readers")
DEFAULT = ("huggingface", "arxiv", "hackernews")


@cache
def added() -> dict[str, EntryPoint]:
    """Other packages' sources by name; one of our own names is never theirs."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in OWN}


def names() -> tuple[str, ...]:
    """Every name that DIGEST_SOURCES may hold."""
    return (*OWN, *sorted(added()))
