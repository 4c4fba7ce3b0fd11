"""The sources by name: plain values → sources ready to be asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from digest.papers.sources import arxiv, huggingface
from digest.papers.sources.fetch import Fetcher
from digest.papers.sources.source import Remembered, Source


@dataclass(frozen=True, slots=True)
class Places:
    """Where the sources are, and how they are asked."""

    huggingface_url: str
    arxiv_url: str
    arxiv_feed_url: str
    arxiv_categories: tuple[str, ...]
    contact: str = ""
    timeout_seconds: float = 20.0


def make_sources(names: Sequence[str], places: Places, remembered: Remembered = lambda _url: None) -> list[Source]:
    """The sources called `names`, in that order. Raises ValueError for a name that is none."""
    return [_make(name, places, remembered) for name in names]


def _make(name: str, places: Places, remembered: Remembered) -> Source:
    if name == huggingface.HuggingFace.name:
        manners = huggingface.manners(places.contact, places.timeout_seconds)
        return huggingface.HuggingFace(places.huggingface_url, Fetcher(places.huggingface_url, manners), remembered)
    if name == arxiv.Arxiv.name:
        manners = arxiv.manners(places.contact, places.timeout_seconds)
        addresses = (places.arxiv_url, places.arxiv_feed_url)
        fetchers = (Fetcher(places.arxiv_url, manners), Fetcher(places.arxiv_feed_url, manners))
        return arxiv.Arxiv(addresses, places.arxiv_categories, fetchers, remembered)
    raise ValueError(f"{name!r} is not a paper source; there are huggingface and arxiv")
