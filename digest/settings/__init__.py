"""The settings of the service."""

from digest.settings.environment import FILE_VARIABLE, PREFIX, SettingsError, settings_file
from digest.settings.settings import Settings, settings, unknown_variables

__all__ = ["FILE_VARIABLE", "PREFIX", "Settings", "SettingsError", "settings", "settings_file", "unknown_variables"]
