"""One DuckDB view a scan: the files of its partitions, with the columns and types that Athena gives."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from services.identifiers import literal, quote
from services.queries.catalog import TableSchema
from services.queries.footers import Footer
from services.queries.offline.types import TIMESTAMP, UTC_COLUMN, of_athena

# Half away from zero, as Trino rounds decimals: sign(n/d) * floor((2|n| + |d|) / (2|d|)), in 38 digits.
_ROUNDED = """sign(n) * sign(d) * ((2 * abs(n) + abs(d)) // (2 * abs(d)))"""

_MACROS = f"""
CREATE OR REPLACE TEMP MACRO athena_divide(n, d) AS {_ROUNDED};
CREATE OR REPLACE TEMP MACRO athena_ratio(n, d) AS n / d;
CREATE OR REPLACE TEMP MACRO athena_unscaled(x, power) AS CAST(x * power AS HUGEINT);
CREATE OR REPLACE TEMP MACRO athena_zero_checked(d) AS CASE WHEN d = 0 THEN error('Division by zero') ELSE d END;
CREATE OR REPLACE TEMP MACRO athena_mean(total, number, power) AS
    CASE WHEN number = 0 THEN NULL ELSE athena_divide(athena_unscaled(total, power), CAST(number AS HUGEINT)) END;
CREATE OR REPLACE TEMP MACRO athena_substr(s, start) AS
    CASE WHEN start = 0 OR abs(start) > length(s) THEN '' ELSE substring(s, start) END;
CREATE OR REPLACE TEMP MACRO athena_substr_length(s, start, size) AS
    CASE WHEN start = 0 OR abs(start) > length(s) OR size <= 0 THEN '' ELSE substring(s, start, size) END;
CREATE OR REPLACE TEMP MACRO athena_trim(s) AS trim(s, E' \\t\\n\\r\\u000B\\f');
CREATE OR REPLACE TEMP MACRO athena_ltrim(s) AS ltrim(s, E' \\t\\n\\r\\u000B\\f');
CREATE OR REPLACE TEMP MACRO athena_rtrim(s) AS rtrim(s, E' \\t\\n\\r\\u000B\\f');
CREATE OR REPLACE TEMP MACRO athena_ascii(s) AS
    CASE WHEN strlen(s) = length(s) THEN s
    ELSE error('The offline engine changes the case of ASCII text only, and this is ''' || s || '''') END;
CREATE OR REPLACE TEMP MACRO athena_split_part(s, delimiter, part) AS
    CASE WHEN part < 1 THEN error('Index must be greater than zero')
    WHEN part > len(string_split(s, delimiter)) THEN NULL ELSE string_split(s, delimiter)[part] END;
CREATE OR REPLACE TEMP MACRO athena_valid_json_scalar(document, path) AS
    CASE WHEN json_type(document, path) IN ('OBJECT', 'ARRAY', 'NULL') THEN NULL
    WHEN json_type(document, path) IN ('BIGINT', 'UBIGINT') AND json_extract_string(document, path) = '0'
        AND regexp_matches(document, '-0([^0-9.eE]|$)')
    THEN error('Athena gives -0 as it is written, and DuckDB gives 0')
    WHEN json_type(document, path) = 'DOUBLE' AND list_distinct(list_filter(
        regexp_extract_all(document, '[0-9.eE+-]+'), lambda written:
        TRY_CAST(written AS DOUBLE) = CAST(json_extract_string(document, path) AS DOUBLE)
    )) <> [json_extract_string(document, path)]
    THEN error('Athena gives the number at ' || path || ' as it is written, and DuckDB gives '
        || json_extract_string(document, path))
    ELSE json_extract_string(document, path) END;
CREATE OR REPLACE TEMP MACRO athena_json_scalar(document, path) AS
    athena_valid_json_scalar(CASE WHEN json_valid(document) THEN document END, path);
CREATE OR REPLACE TEMP MACRO athena_timestamp_text(t) AS strftime(t, '%Y-%m-%d %H:%M:%S.%g');
CREATE OR REPLACE TEMP MACRO athena_text_number(s) AS
    CASE WHEN s IS NULL OR regexp_full_match(s, '[+-]?[0-9]+') THEN s
    ELSE error('Cannot cast ''' || s || ''' to a whole number') END;
"""

_NAME = re.compile(r"athena_\w+")
_BY_NAME = {_NAME.findall(text)[0]: text for text in _MACROS.split(";\n") if text.strip()}


def macros(sql: str) -> list[str]:
    """The statements that make the macros that this SQL calls, those first that others call."""
    wanted: set[str] = set()
    waiting = set(_NAME.findall(sql.lower()))
    while waiting:
        name = waiting.pop()
        if name in _BY_NAME and name not in wanted:
            wanted.add(name)
            waiting |= set(_NAME.findall(_BY_NAME[name]))
    return [text for name, text in _BY_NAME.items() if name in wanted]


def view(name: str, table: TableSchema, footers: Sequence[Footer], paths: Sequence[str], read: Collection[str]) -> str:
    """The statement that makes the view. A column that no file has is NULL, as Athena reads it.

    So is one that is not among those that the query reads: DuckDB carries some through joins of correlated subqueries
    that nothing asks for, and would scan them.
    """
    stored = {column for footer in footers for column in footer.types if column in read}
    outputs = [_column(column, kind, column in stored) for column, kind in table.columns.items()]
    outputs += [quote(key.name) if footers else f"CAST(NULL AS INTEGER) AS {quote(key.name)}" for key in table.keys]
    outputs += [
        f"{_stored_time(column, column in stored)} AS {quote(UTC_COLUMN.format(column))}"
        for column, kind in table.columns.items()
        if of_athena(kind) == TIMESTAMP
    ]
    source = f"FROM {_read(table, footers, paths)}" if footers else "WHERE FALSE"
    return f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS SELECT {', '.join(outputs)} {source}"


def _column(name: str, kind: str, stored: bool) -> str:
    made = of_athena(kind)
    if not stored:
        return f"CAST(NULL AS {made.sql if made.arrow is not None else 'VARCHAR'}) AS {quote(name)}"
    # Parquet's UTC timestamps are TIMESTAMP WITH TIME ZONE to DuckDB, and plain ones to Athena.
    return f"CAST({quote(name)} AS TIMESTAMP) AS {quote(name)}" if made == TIMESTAMP else quote(name)


def _stored_time(name: str, stored: bool) -> str:
    return quote(name) if stored else "CAST(NULL AS TIMESTAMPTZ)"


def _read(table: TableSchema, footers: Sequence[Footer], paths: Sequence[str]) -> str:
    alike = len({tuple(sorted(footer.types)) for footer in footers}) == 1
    listed = ", ".join(map(literal, paths))
    keys = ", ".join(f"{literal(key.name)}: INTEGER" for key in table.keys)
    options = f"hive_partitioning = true, hive_types = {{{keys}}}"
    return f"read_parquet([{listed}], {options}{'' if alike else ', union_by_name = true'})"
