"""The sources by name: plain values → sources ready to be asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from digest.papers.sources import arxiv, hackernews, huggingface, source_names, suggestions
from digest.papers.sources.feeds import source
from digest.papers.sources.fetch import Fetcher, RequestPolicy
from digest.papers.sources.source import Remembered, Source
from digest.papers.sources.suggestions import Ballot


def _nothing(_url: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class SourceAddresses:
    """Where the sources are, and how they are asked."""

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
    """What a source of another package is made with; docs/sources.md describes it."""

    contact: str
    timeout_seconds: float
    remembered: Remembered

    def fetcher(self, base: str, spacing_seconds: float = 1.0, accept: str = "*/*") -> Fetcher:
        """A client for `base` that keeps `spacing_seconds` between two requests."""
        return Fetcher(base, RequestPolicy(self.contact, self.timeout_seconds, spacing_seconds, accept))


def make_sources(
    names: Sequence[str], places: SourceAddresses, remembered: Remembered = _nothing, ballot: Ballot | None = None
) -> list[Source]:
    """The sources called `names`, in that order; `ballot` is what readers said. Raises ValueError for a name that is
    none, for one whose package breaks, and for "readers" without a ballot.
    """
    return [_make(name, places, remembered, ballot) for name in names]


def _make(name: str, places: SourceAddresses, remembered: Remembered, ballot: Ballot | None) -> Source:
    if name == suggestions.NAME and ballot is not None:
        return suggestions.Readers(places.arxiv_url, _arxiv_api(places), ballot)
    if name in _OWN:
        return _OWN[name](places, remembered)
    point = source_names.added().get(name)
    if point is None:
        raise ValueError(f"{name!r} is not a paper source; there are {', '.join(source_names.names())}")
    try:
        made: Source = point.load()(Tools(places.contact, places.timeout_seconds, remembered))
    except Exception as problem:
        said = str(problem) or type(problem).__name__
        raise ValueError(f"the paper source {name!r} ({point.value}) cannot be used: {said}") from problem
    return made


def _huggingface(places: SourceAddresses, remembered: Remembered) -> Source:
    manners = huggingface.manners(places.contact, places.timeout_seconds)
    return huggingface.HuggingFace(places.huggingface_url, Fetcher(places.huggingface_url, manners), remembered)


def _arxiv(places: SourceAddresses, remembered: Remembered) -> Source:
    manners = arxiv.manners(places.contact, places.timeout_seconds)
    addresses = (places.arxiv_url, places.arxiv_feed_url)
    fetchers = (_arxiv_api(places), Fetcher(places.arxiv_feed_url, manners))
    return arxiv.Arxiv(addresses, places.arxiv_categories, fetchers, remembered)


@lru_cache(maxsize=4)
def _arxiv_api(places: SourceAddresses) -> Fetcher:
    """One for both that ask it: arXiv wants a pause between any two requests."""
    return Fetcher(places.arxiv_url, arxiv.manners(places.contact, places.timeout_seconds))


def _hackernews(places: SourceAddresses, _remembered: Remembered) -> Source:
    manners = hackernews.manners(places.contact, places.timeout_seconds)
    return hackernews.HackerNews(places.hackernews_url, Fetcher(places.hackernews_url, manners))


def _feeds(places: SourceAddresses, remembered: Remembered) -> Source:
    manners = RequestPolicy(places.contact, places.timeout_seconds)
    return source.Feeds(places.feeds, lambda url: Fetcher(url, manners), remembered)


_OWN: dict[str, Callable[[SourceAddresses, Remembered], Source]] = {
    "huggingface": _huggingface,
    "arxiv": _arxiv,
    "hackernews": _hackernews,
    "feeds": _feeds,
}
