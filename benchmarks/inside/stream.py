"""The backup's stream into nothing: dump, fingerprint, compression and digest, without a store."""

from __future__ import annotations

from services.backups.dump import PlainDump
from services.database import Connection, Database
from services.settings import load


def main() -> None:
    """Dumps the database that the settings name."""
    given = load(defaults={"BUCKET": "bench-none"})
    password = given.pgpassword.get_secret_value() if given.pgpassword else None
    dump = PlainDump(
        Database(
            Connection(given.pghost, given.pgport, given.pguser, given.pgdatabase, password, programs=given.pg_bin)
        )
    )
    for _ in dump.blocks():
        pass
    print(f'{{"plain_bytes": {dump.plain_bytes}, "stored_bytes": {dump.digest.bytes}}}')


if __name__ == "__main__":
    main()
