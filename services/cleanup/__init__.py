"""Removes all that Shoreline made and proves it: inventory, plan, removal, proof."""

from services.cleanup.cleanup import Cleanup, Names
from services.cleanup.scope import Area, Scope

__all__ = ["Area", "Cleanup", "Names", "Scope"]
