"""Lists of the operator's own."""

from digest.papers.sources.feeds.source import Feeds

__all__ = ["Feeds"]
