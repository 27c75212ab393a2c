"""What becomes of replication when a database is replaced: slots are the server's, and no backup holds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# A subscription's slot is on its publisher, which dropping a copy's subscription must not touch.
_SUBSCRIBED = """
SELECT subslotname || ' of subscription ' || subname
FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
WHERE datname = %s AND subslotname IS NOT NULL ORDER BY 1
"""
_PUBLISHED = "SELECT slot_name FROM pg_replication_slots WHERE database = %s AND slot_type = 'logical' ORDER BY 1"


def lost_by_replacing(cursor: Any, database: str) -> Iterator[str]:
    """A sentence for each kind of replication slot that replacing a database leaves behind or drops; none as a rule."""

    def names(query: str) -> str:
        cursor.execute(query, (database,))
        return ", ".join(name for (name,) in cursor.fetchall())

    if subscribed := names(_SUBSCRIBED):
        yield (
            f"Slots stay on the publishers, which keep WAL for them: {subscribed}."
            " Drop each there with pg_drop_replication_slot, unless the restored subscription goes on with it."
        )
    if published := names(_PUBLISHED):
        yield f"Slots of {database} go with it, and who reads from them has to start anew: {published}."
