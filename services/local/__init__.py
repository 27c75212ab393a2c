"""PostgreSQL and LocalStack for machines without containers."""
