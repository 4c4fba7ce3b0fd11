"""The settings of the service."""

from digest.settings.settings import ENV_FILE, Settings, settings, unknown_variables
from digest.settings.sources import PREFIX, SettingsError

__all__ = ["ENV_FILE", "PREFIX", "Settings", "SettingsError", "settings", "unknown_variables"]
