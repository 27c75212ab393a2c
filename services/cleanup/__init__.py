"""Removes all that Shoreline made and proves it: inventory, plan, removal, proof."""

from services.cleanup.cleanup import Cleanup
from services.cleanup.scope import Area, Scope

__all__ = ["Area", "Cleanup", "Scope"]
