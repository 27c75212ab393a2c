"""DuckDB macros that answer as Trino's functions do. Each is tested against Trino's documented answers."""

from __future__ import annotations

import re

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
