"""The tables' DDL: read strictly as Athena takes it, held against the declared tables, and rendered for each mode."""

from services.queries.ddl.parser import parse_table
from services.queries.ddl.statements import PartitionMode, Statement, statements
from services.queries.ddl.table import CreateTable

__all__ = ["CreateTable", "PartitionMode", "Statement", "parse_table", "statements"]
