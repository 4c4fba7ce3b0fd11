"""Ten thousand safe requests on every kind of link."""

import pytest

from digest.settings import Settings
from tests.web.conftest import Visit, settings, visit
from tests.web.test_scanners import every_kind_of_link, nothing_changes

__all__ = ["settings", "visit"]  # fixtures
pytestmark = pytest.mark.timeout(1200)


def test_ten_thousand_safe_requests_change_nothing(visit: Visit, settings: Settings) -> None:
    nothing_changes(visit, settings, every_kind_of_link(visit), times=10_000)
