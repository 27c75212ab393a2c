"""Tables as Parquet under `year=/month=/day=`: declared, written, uploaded."""
