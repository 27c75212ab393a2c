"""Other installations of Shoreline in the same bucket, known by what only their jobs write."""

from __future__ import annotations

import re

from services.backups.naming import LEASE, MANIFEST
from services.cleanup.scope import Scope

_LEASE = re.compile(rf"(?P<home>.+)/{re.escape(LEASE)}")
_LAKE = re.compile(r"(?P<home>.+)/_manifest/[^/]+\.json")
_BACKUP = re.compile(rf"(?P<home>.+)/\d{{4}}/\d\d/\d\d/backup_\d{{8}}_\d{{6}}{re.escape(MANIFEST)}")


def neighbour_of(key: str, scope: Scope) -> str | None:
    """The prefix of another installation, when a key shows one: its lease, a manifest of its lake or of its backups.

    One below a prefix of ours shows itself like any other. A folder of our backups may be a database's, and is another
    installation's only when it has a lease.
    """
    if not key.endswith(".json"):
        return None
    backups = {area.prefix for area in scope.areas if area.holds_backups}
    others = {area.prefix for area in scope.areas if not area.holds_backups}
    if found := _LEASE.fullmatch(key):
        ours = f"{found['home']}/" in backups
    elif found := _LAKE.fullmatch(key):
        ours = f"{found['home']}/" in others
    elif found := _BACKUP.fullmatch(key):
        home = f"{found['home']}/"
        ours = bool({home, f"{found['home'].rpartition('/')[0]}/"} & backups)
    else:
        return None
    return None if ours else found["home"]
