"""Removes all that Shoreline made and proves it: inventory, plan, removal, proof."""

from services.cleanup.cleanup import Cleanup, Names
from services.cleanup.listing import Area, Scope

__all__ = ["Area", "Cleanup", "Names", "Scope"]
