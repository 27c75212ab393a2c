"""The only reader of the environment: every setting, checked, with all problems reported at once."""

from services.settings.load import load, log_format, named
from services.settings.models import Settings

__all__ = ["Settings", "load", "log_format", "named"]
