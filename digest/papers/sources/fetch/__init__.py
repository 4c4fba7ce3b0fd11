"""The HTTP client of the sources."""

from digest.papers.sources.fetch.addresses import without_secrets
from digest.papers.sources.fetch.client import (
    MAX_BYTES,
    Fetcher,
    FetchResponse,
    Refused,
    RequestPolicy,
    Ticking,
)

__all__ = ["MAX_BYTES", "FetchResponse", "Fetcher", "Refused", "RequestPolicy", "Ticking", "without_secrets"]
