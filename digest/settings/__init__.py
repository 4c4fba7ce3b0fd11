"""The settings of the service."""

from digest.settings.environment import FILE_VARIABLE, PREFIX, SettingsError, settings_file
from digest.settings.settings import Settings, remedy, settings, unknown_variables

__all__ = [
    "FILE_VARIABLE",
    "PREFIX",
    "Settings",
    "SettingsError",
    "remedy",
    "settings",
    "settings_file",
    "unknown_variables",
]
