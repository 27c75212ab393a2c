"""What a cleanup planned, did and proved, and the receipt that it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.cleanup.plan import Plan
from services.cleanup.proof import Check
from services.cleanup.removal import Removed


@dataclass(frozen=True)
class CleanupReport:
    """`checks` is empty and `receipt` None when nothing was carried out."""

    plan: Plan
    carried_out: bool
    removed: Removed
    checks: tuple[Check, ...]
    receipt: Path | None
