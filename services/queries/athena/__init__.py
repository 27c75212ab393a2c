"""Athena itself: workgroup, tables, queries."""
