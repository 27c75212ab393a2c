"""Answers Athena's SQL with DuckDB, exactly as Athena would or not at all."""
