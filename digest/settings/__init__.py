"""The settings of the service. Their models take 0.2 s to import, so they are imported on first use."""

from functools import cache
from typing import TYPE_CHECKING, Any

from digest.settings.environment import FILE_VARIABLE, OPERATOR_VARIABLE, PREFIX, SettingsError, settings_file

if TYPE_CHECKING:
    from digest.settings.model import Settings, remedy, unknown_variables

__all__ = [
    "FILE_VARIABLE",
    "OPERATOR_VARIABLE",
    "PREFIX",
    "Settings",
    "SettingsError",
    "remedy",
    "settings",
    "settings_file",
    "unknown_variables",
]


@cache
def settings() -> "Settings":
    """The settings of this process, read once. Raises SettingsError."""
    from digest.settings.model import read_settings

    return read_settings()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    from digest.settings import model

    return getattr(model, name)
