"""Makes the sources by name from plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from sqlalchemy import Engine

from digest.papers.sources import arxiv, hackernews, huggingface, source_names, suggestions
from digest.papers.sources.feeds import Feeds
from digest.papers.sources.fetch import Fetcher, RequestPolicy
from digest.papers.sources.source import Remembered, Source


@dataclass(frozen=True, slots=True)
class SourceAddresses:
    """The addresses of the sources, and how to ask them."""

    huggingface_url: str
    arxiv_url: str
    arxiv_feed_url: str
    arxiv_categories: tuple[str, ...]
    contact: str = ""
    timeout_seconds: float = 20.0
    hackernews_url: str = "https://hn.algolia.com"
    feeds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """Passed to the sources of other packages (docs/sources.md)."""

    contact: str
    timeout_seconds: float
    remembered: Remembered

    def fetcher(self, base: str, spacing_seconds: float = 1.0, accept: str = "*/*") -> Fetcher:
        """A client for `base` that waits `spacing_seconds` between requests, unless `base` is on this machine."""
        spacing = _spacing(base, spacing_seconds)
        return Fetcher(base, RequestPolicy(self.contact, self.timeout_seconds, spacing, accept))


def make_sources(
    names: Sequence[str],
    addresses: SourceAddresses,
    remembered: Remembered = lambda _url: None,
    engine: Engine | None = None,
) -> list[Source]:
    """The sources with these names, in that order. Raises ValueError for an unknown name, for a package that fails, and
    for "readers" without a database.
    """
    tools = Tools(addresses.contact, addresses.timeout_seconds, remembered)
    return [_make(name, addresses, tools, engine) for name in names]


def _make(name: str, addresses: SourceAddresses, tools: Tools, engine: Engine | None) -> Source:
    match name:
        case "huggingface":
            fetcher = tools.fetcher(addresses.huggingface_url, huggingface.SPACING_SECONDS, "application/json")
            return huggingface.HuggingFace(addresses.huggingface_url, fetcher, tools.remembered)
        case "arxiv":
            urls = (addresses.arxiv_url, addresses.arxiv_feed_url)
            fetchers = (arxiv_api(addresses), tools.fetcher(urls[1], arxiv.SPACING_SECONDS, arxiv.ACCEPT))
            return arxiv.Arxiv(urls, addresses.arxiv_categories, fetchers, tools.remembered)
        case "hackernews":
            fetcher = tools.fetcher(addresses.hackernews_url, accept="application/json")
            return hackernews.HackerNews(addresses.hackernews_url, fetcher)
        case "feeds":
            return Feeds(addresses.feeds, lambda url: tools.fetcher(url, spacing_seconds=0), tools.remembered)
        case suggestions.NAME if engine is not None:
            return suggestions.Suggestions(addresses.arxiv_url, arxiv_api(addresses), engine)
    return _made_by_package(name, tools)


@lru_cache(maxsize=4)
def arxiv_api(addresses: SourceAddresses) -> Fetcher:
    """One client for all that ask it: arXiv wants a pause between any two requests."""
    url, spacing = addresses.arxiv_url, _spacing(addresses.arxiv_url, arxiv.SPACING_SECONDS)
    return Fetcher(url, RequestPolicy(addresses.contact, addresses.timeout_seconds, spacing, arxiv.ACCEPT))


def _spacing(base: str, seconds: float) -> float:
    """A server on this machine, such as a replay of recorded answers, needs no pauses."""
    return 0.0 if urlsplit(base).hostname in ("localhost", "127.0.0.1", "::1") else seconds


def _made_by_package(name: str, tools: Tools) -> Source:
    point = source_names.added().get(name)
    if point is None:
        raise ValueError(f"{name!r} is not a paper source; there are {', '.join(source_names.names())}")
    try:
        made: Source = point.load()(tools)
    except Exception as problem:
        reason = str(problem) or type(problem).__name__
        raise ValueError(f"the paper source {name!r} ({point.value}) cannot be used: {reason}") from problem
    return made
