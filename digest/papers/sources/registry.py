"""Makes the sources by name from plain values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from digest.papers.community import Community
from digest.papers.sources import arxiv, hackernews, huggingface, source_names, suggestions
from digest.papers.sources.feeds import Feeds
from digest.papers.sources.fetch import Fetcher, RequestPolicy
from digest.papers.sources.source import Remembered, Source


def _nothing(_url: str) -> None:
    return None


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
    """Passed to the source of another package (docs/sources.md)."""

    contact: str
    timeout_seconds: float
    remembered: Remembered

    def fetcher(self, base: str, spacing_seconds: float = 1.0, accept: str = "*/*") -> Fetcher:
        """A client for `base` that waits `spacing_seconds` between requests."""
        return Fetcher(base, RequestPolicy(self.contact, self.timeout_seconds, spacing_seconds, accept))


def make_sources(
    names: Sequence[str],
    addresses: SourceAddresses,
    remembered: Remembered = _nothing,
    community: Community | None = None,
) -> list[Source]:
    """The sources with these names, in that order. Raises ValueError for an unknown name, for a package that fails, and
    for "readers" without a community.
    """
    return [_make(name, addresses, remembered, community) for name in names]


def _make(name: str, addresses: SourceAddresses, remembered: Remembered, community: Community | None) -> Source:
    if name == suggestions.NAME and community is not None:
        return suggestions.Suggestions(addresses.arxiv_url, _arxiv_api(addresses), community)
    if name in _OWN:
        return _OWN[name](addresses, remembered)
    point = source_names.added().get(name)
    if point is None:
        raise ValueError(f"{name!r} is not a paper source; there are {', '.join(source_names.names())}")
    try:
        made: Source = point.load()(Tools(addresses.contact, addresses.timeout_seconds, remembered))
    except Exception as problem:
        reason = str(problem) or type(problem).__name__
        raise ValueError(f"the paper source {name!r} ({point.value}) cannot be used: {reason}") from problem
    return made


def _huggingface(addresses: SourceAddresses, remembered: Remembered) -> Source:
    policy = huggingface.request_policy(addresses.contact, addresses.timeout_seconds)
    return huggingface.HuggingFace(addresses.huggingface_url, Fetcher(addresses.huggingface_url, policy), remembered)


def _arxiv(addresses: SourceAddresses, remembered: Remembered) -> Source:
    policy = arxiv.request_policy(addresses.contact, addresses.timeout_seconds)
    urls = (addresses.arxiv_url, addresses.arxiv_feed_url)
    fetchers = (_arxiv_api(addresses), Fetcher(addresses.arxiv_feed_url, policy))
    return arxiv.Arxiv(urls, addresses.arxiv_categories, fetchers, remembered)


@lru_cache(maxsize=4)
def _arxiv_api(addresses: SourceAddresses) -> Fetcher:
    """One client for both sources that ask it: arXiv wants a pause between any two requests."""
    return Fetcher(addresses.arxiv_url, arxiv.request_policy(addresses.contact, addresses.timeout_seconds))


def _hackernews(addresses: SourceAddresses, _remembered: Remembered) -> Source:
    policy = hackernews.request_policy(addresses.contact, addresses.timeout_seconds)
    return hackernews.HackerNews(addresses.hackernews_url, Fetcher(addresses.hackernews_url, policy))


def _feeds(addresses: SourceAddresses, remembered: Remembered) -> Source:
    policy = RequestPolicy(addresses.contact, addresses.timeout_seconds)
    return Feeds(addresses.feeds, lambda url: Fetcher(url, policy), remembered)


_OWN: dict[str, Callable[[SourceAddresses, Remembered], Source]] = {
    "huggingface": _huggingface,
    "arxiv": _arxiv,
    "hackernews": _hackernews,
    "feeds": _feeds,
}
