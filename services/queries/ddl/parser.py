"""A strict reader of CREATE EXTERNAL TABLE: the clauses that Athena takes, in its order, and nothing else.

CREATE EXTERNAL TABLE [IF NOT EXISTS] [db.]table (columns) [COMMENT] [PARTITIONED BY] [ROW FORMAT SERDE] STORED AS
LOCATION [TBLPROPERTIES]: https://docs.aws.amazon.com/athena/latest/ug/create-table.html. Athena's Hive parser tells of
a clause in the wrong place only as `mismatched input`, when the query has been sent.
"""

from __future__ import annotations

from collections.abc import Callable

from services.queries.catalog import TableSchema
from services.queries.ddl.table import CreateTable, DdlColumn, differences, faults
from services.queries.ddl.words import FORMATS, PRIMITIVES, RESERVED, DdlRefused, Token, tokens, unquoted

_CLAUSES = ("COMMENT", "PARTITIONED", "CLUSTERED", "ROW", "STORED", "WITH", "LOCATION", "TBLPROPERTIES")
_ORDER = "COMMENT, PARTITIONED BY, ROW FORMAT, STORED AS, LOCATION, TBLPROPERTIES"


def parse_table(text: str, declared: TableSchema | None = None, *, source: str = "The DDL") -> CreateTable:
    """The table that a DDL text creates.

    Raises DdlRefused, with line and column, for what Athena would not take; and, listing them all, for what it would
    take and then answer wrongly, and for every difference from `declared`.
    """
    try:
        table = _Parser(text).table()
    except DdlRefused as error:
        raise DdlRefused(f"{source}, {error}") from None
    wrong = [*faults(table), *(differences(table, declared) if declared else ())]
    if wrong:
        raise DdlRefused("\n".join([f"{source} needs attention:", *(f"  {fault}" for fault in wrong)]))
    return table


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._at = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _refuse(self, wanted: str) -> DdlRefused:
        token = self._next
        found = "the end" if token.kind == "end" else token.text
        return DdlRefused(f"line {token.line}, column {token.column}: expected {wanted}, found {found}")

    def _take(self, *words: str) -> None:
        for word in words:
            if self._next.upper != word:
                raise self._refuse(" ".join(words) if len(words) > 1 else word)
            self._at += 1

    def _try(self, *words: str) -> bool:
        found = [token.upper for token in self._tokens[self._at : self._at + len(words)]] == list(words)
        self._at += len(words) if found else 0
        return found

    def _text(self, what: str) -> str:
        if self._next.kind != "string":
            raise self._refuse(f"{what} in single quotes")
        self._at += 1
        return unquoted(self._tokens[self._at - 1].text)

    def _name(self, what: str) -> str:
        token = self._next
        if token.kind == "word" and token.upper in RESERVED:
            raise self._refuse(f"{what} (reserved words stand in backticks)")
        if token.kind == "word" and token.text.startswith("_"):
            raise self._refuse(f"{what} (names that begin with _ stand in backticks)")
        if token.kind not in ("word", "quoted"):
            raise self._refuse(what)
        self._at += 1
        return (unquoted(token.text) if token.kind == "quoted" else token.text).lower()

    def table(self) -> CreateTable:
        self._take("CREATE", "EXTERNAL", "TABLE")
        if self._next.upper == "IF":
            self._take("IF", "NOT", "EXISTS")
        database, name = "", self._name("the table's name")
        if self._try("."):
            database, name = name, self._name("the table's name")
        columns = self._columns()
        comment = self._text("a comment") if self._try("COMMENT") else ""
        keys = self._columns() if self._try("PARTITIONED", "BY") else ()
        serde = self._text("a SerDe's class") if self._try("ROW", "FORMAT", "SERDE") else ""
        stored_as = self._stored_as()
        self._clause("LOCATION")
        location = self._text("the location")
        properties = self._properties() if self._try("TBLPROPERTIES") else {}
        self._try(";")
        if self._next.kind != "end":
            raise self._misplaced("the end")
        return CreateTable(database, name, columns, keys, stored_as, location, properties, comment, serde)

    def _stored_as(self) -> str:
        self._clause("STORED")
        self._take("AS")
        if self._next.upper not in FORMATS:
            raise self._refuse(f"a format ({', '.join(sorted(FORMATS))})")
        self._at += 1
        return self._tokens[self._at - 1].upper

    def _clause(self, word: str) -> None:
        if self._next.upper != word:
            raise self._misplaced(word)
        self._at += 1

    def _misplaced(self, wanted: str) -> DdlRefused:
        if self._next.upper in _CLAUSES and self._next.upper != wanted:
            return self._refuse(f"{wanted} (the order of the clauses is {_ORDER})")
        return self._refuse(wanted)

    def _columns(self) -> tuple[DdlColumn, ...]:
        self._take("(")
        found = [self._column()]
        while self._try(","):
            found.append(self._column())
        self._take(")")
        return tuple(found)

    def _column(self) -> DdlColumn:
        name, kind = self._name("a column's name"), self._kind()
        return DdlColumn(name, kind, self._text("a comment") if self._try("COMMENT") else "")

    def _kind(self) -> str:
        word = self._next.text.lower() if self._next.kind == "word" else ""
        self._at += 1
        if word in PRIMITIVES:
            return word
        if word == "decimal":
            return f"decimal({self._numbers(2)})"
        if word in ("char", "varchar"):
            return f"{word}({self._numbers(1)})"
        if word == "array":
            return f"array<{self._within(self._kind)}>"
        if word == "map":
            return f"map<{self._within(self._pair)}>"
        if word == "struct":
            return f"struct<{self._within(self._fields)}>"
        self._at -= 1
        raise self._refuse("a type of Athena's")

    def _numbers(self, how_many: int) -> str:
        self._take("(")
        found = []
        for number in range(how_many):
            if number:
                self._take(",")
            if self._next.kind != "number":
                raise self._refuse("a number")
            found.append(self._next.text)
            self._at += 1
        self._take(")")
        return ",".join(found)

    def _within(self, inner: Callable[[], str]) -> str:
        self._take("<")
        found = inner()
        self._take(">")
        return found

    def _pair(self) -> str:
        key = self._kind()
        self._take(",")
        return f"{key},{self._kind()}"

    def _fields(self) -> str:
        found: list[str] = []
        while not found or self._try(","):
            name = self._name("a field's name")
            self._take(":")
            found.append(f"{name}:{self._kind()}")
        return ",".join(found)

    def _properties(self) -> dict[str, str]:
        self._take("(")
        found: dict[str, str] = {}
        while not found or self._try(","):
            name = self._text("a property's name")
            if name in found:
                raise self._refuse(f"each property once ({name} is there twice)")
            self._take("=")
            found[name] = self._text("its value")
        self._take(")")
        return found
