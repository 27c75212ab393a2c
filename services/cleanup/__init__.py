"""Cleanup of everything that Shoreline created: inventory, plan, removal, verification."""

from services.cleanup.cleanup import Cleanup, Names
from services.cleanup.inventory import Area, Scope

__all__ = ["Area", "Cleanup", "Names", "Scope"]
