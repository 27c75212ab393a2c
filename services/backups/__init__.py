"""PostgreSQL backups in one bucket: made, proved, kept, restored."""
