"""The words of Athena's DDL: its tokens, its reserved words, its types."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.errors import InputError

_TOKEN = re.compile(
    r"(?P<space>\s+|--[^\n]*|/\*.*?\*/)"
    r"|(?P<string>'(?:[^'\\]|\\.|'')*')"
    r"|(?P<quoted>`(?:[^`]|``)+`)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>\d+)"
    r"|(?P<mark>[(),.<>:=;])",
    re.DOTALL,
)

# https://docs.aws.amazon.com/athena/latest/ug/reserved-words.html, "Reserved keywords to escape in DDL statements"
RESERVED = frozenset(
    """ALL ALTER AND ARRAY AS AUTHORIZATION BETWEEN BIGINT BINARY BOOLEAN BOTH BY CASE CASHE CAST CHAR COLUMN CONF
    CONSTRAINT COMMIT CREATE CROSS CUBE CURRENT CURRENT_DATE CURRENT_TIMESTAMP CURSOR DATABASE DATE DAYOFWEEK DECIMAL
    DELETE DESCRIBE DISTINCT DIV DOUBLE DROP ELSE END EXCHANGE EXISTS EXTENDED EXTERNAL EXTRACT FALSE FETCH FLOAT FLOOR
    FOLLOWING FOR FOREIGN FROM FULL FUNCTION GRANT GROUP GROUPING HAVING IF IMPORT IN INNER INSERT INT INTEGER
    INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LESS LIKE LOCAL MACRO MAP MORE NONE NOT NULL NUMERIC OF ON ONLY OR
    ORDER OUT OUTER OVER PARTIALSCAN PARTITION PERCENT PRECEDING PRECISION PRESERVE PRIMARY PROCEDURE RANGE READS
    REDUCE REFERENCES REGEXP REVOKE RIGHT RLIKE ROLLBACK ROLLUP ROW ROWS SELECT SET SMALLINT START TABLE TABLESAMPLE
    THEN TIME TIMESTAMP TO TRANSFORM TRIGGER TRUE TRUNCATE UNBOUNDED UNION UNIQUEJOIN UPDATE USER USING UTC_TIMESTAMP
    VALUES VARCHAR VIEWS WHEN WHERE WINDOW WITH""".split()  # noqa: SIM905  # a list of words reads best as text
)
PRIMITIVES = frozenset(
    {"boolean", "tinyint", "smallint", "int", "bigint", "double", "float", "string", "binary", "date", "timestamp"}
)
FORMATS = frozenset({"SEQUENCEFILE", "TEXTFILE", "RCFILE", "ORC", "PARQUET", "AVRO", "ION"})


class DdlRefused(InputError):
    """A DDL file is not what Athena takes, or not what the lake declares."""

    next_step = "Correct the file; sql/athena/tables/orders.sql has the clauses in Athena's order."


@dataclass(frozen=True)
class Token:
    """A token with its place: `kind` is string, quoted, word, number, mark or end."""

    kind: str
    text: str
    line: int
    column: int

    @property
    def upper(self) -> str:
        """The word in upper case; empty for anything but a plain word or a mark."""
        return self.text.upper() if self.kind in ("word", "mark") else ""


def tokens(text: str) -> list[Token]:
    """The tokens of a DDL text, an end token last. Raises DdlRefused for a character that begins none."""
    found: list[Token] = []
    at, line, begun = 0, 1, 0  # the line, and where it begins
    while at < len(text):
        match = _TOKEN.match(text, at)
        column = at - begun + 1
        if match is None:
            raise DdlRefused(f"line {line}, column {column}: {text[at]!r} begins nothing that Athena's DDL knows.")
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(Token(kind, match[0], line, column))
        at = match.end()
        if breaks := match[0].count("\n"):
            line, begun = line + breaks, text.rindex("\n", 0, at) + 1
    return [*found, Token("end", "", line, at - begun + 1)]


def unquoted(text: str) -> str:
    """The value of a string literal, or the name in backticks."""
    if text.startswith("`"):
        return text[1:-1].replace("``", "`")
    return text[1:-1].replace("''", "'").replace("\\'", "'")
