"""The settings of the service."""

from digest.settings.secrets import PREFIX, SettingsError
from digest.settings.settings import ENV_FILE, Settings, settings, unknown_variables

__all__ = ["ENV_FILE", "PREFIX", "Settings", "SettingsError", "settings", "unknown_variables"]
