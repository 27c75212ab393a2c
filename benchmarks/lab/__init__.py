"""A PostgreSQL server of the benchmark's own: its dumps, base backups, WAL and recoveries."""
