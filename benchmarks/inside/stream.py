"""The backup's stream into nothing: dump, fingerprint, compression and digest, without a store."""

from __future__ import annotations

import json

from services.backups.dump import PlainDump
from services.database import Connection, Database
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
    for _ in dump.blocks():
        pass
    print(json.dumps({"plain_bytes": dump.plain_bytes, "stored_bytes": dump.digest.bytes}))


if __name__ == "__main__":
    main()
