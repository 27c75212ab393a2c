"""What a cleanup planned, did and proved."""

from __future__ import annotations

from dataclasses import dataclass

from services.cleanup.catalog import RemovedFromCatalog
from services.cleanup.plan import Plan
from services.cleanup.proof import Check
from services.cleanup.removal import Removed
from services.cleanup.trail import Request


@dataclass(frozen=True)
class CleanupReport:
    """`checks` and `requests` are empty when nothing was carried out."""

    plan: Plan
    carried_out: bool
    removed: Removed
    catalog: RemovedFromCatalog
    checks: tuple[Check, ...]
    requests: tuple[Request, ...]
