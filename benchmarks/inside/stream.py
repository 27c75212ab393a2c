"""The backup's stream into nothing: dump, fingerprint, compression and digest, without a store.

Reports the seconds from pg_dump's start to the stream's end.
"""

from __future__ import annotations

import json
import time

from services.backups.dump import PlainDump
from services.postgres.client import Connection, Database
from services.settings import load


def dump_of_settings() -> PlainDump:
    """A dump of the database that the environment names."""
    given = load(defaults={"BUCKET": "bench-none"})
    password = given.pgpassword.get_secret_value() if given.pgpassword else None
    where = Connection(given.pghost, given.pgport, given.pguser, given.pgdatabase, password, programs=given.pg_bin)
    return PlainDump(Database(where))


def main() -> None:
    """Takes all of it."""
    dump = dump_of_settings()
    began = time.perf_counter()
    for _ in dump.blocks():
        pass
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "plain_bytes": dump.plain_bytes, "stored_bytes": dump.digest.bytes}))


if __name__ == "__main__":
    main()
