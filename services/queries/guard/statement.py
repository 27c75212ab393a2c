"""Reads one SELECT as Athena would, or says why the text is none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from services.errors import QueryRefused, ShorelineError

DIALECT = "athena"
MAX_QUERY_BYTES = 262_144  # Athena's own limit
_OPENINGS = {TokenType.SELECT, TokenType.WITH}

# sqlglot warns of what it cannot parse; that is refused below with a message of its own.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


P = ParamSpec("P")
T = TypeVar("T")


class QueryNotUnderstood(QueryRefused):
    """The parser does not support the form of the query."""

    next_step = "Write it in another form, or split it into smaller queries."


def understood(done: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Turn whatever a function over a parsed query raises into QueryNotUnderstood; `done` says what the function does.

    The parser raises any of Python's exceptions for unusual text. Shoreline's own errors pass. The message leaves out
    the exception, which names the parser's classes; it stays the cause, for --verbose.
    """

    def around(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def within(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except ShorelineError:
                raise
            except RecursionError:
                raise QueryNotUnderstood(f"The query is nested too deeply to be {done}.") from None
            except Exception as error:
                raise QueryNotUnderstood(f"The query has a form that cannot be {done}.") from error

        return within

    return around


class NotOneSelect(QueryRefused):
    """The text is not exactly one SELECT."""

    next_step = "Give one statement that begins with SELECT or WITH."


@understood("read")
def parse(sql: str) -> exp.Query:
    """The parsed query. Raises NotOneSelect for no or several statements, for anything but SELECT, and for a text
    that Athena's grammar does not take."""
    if (size := len(sql.encode())) > MAX_QUERY_BYTES:
        raise NotOneSelect(
            f"The query has {size:,} bytes, and Athena takes at most {MAX_QUERY_BYTES:,}.",
            next_step="Shorten it: join with VALUES in place of long conditions, or split it into several queries.",
        )
    try:
        tokens = sqlglot.tokenize(sql, read=DIALECT)
        _check_opening(sql, tokens)
        statements = [node for node in sqlglot.parse(sql, read=DIALECT) if not _is_empty(node)]
    except SqlglotError as error:
        raise NotOneSelect(_syntax(error, sql)) from None
    if len(statements) != 1:
        raise NotOneSelect(f"{len(statements)} statements: a query is one statement.")
    statement = statements[0]
    if not isinstance(statement, exp.Query):
        raise NotOneSelect("Only SELECT is answered here: the statement changes or describes something.")
    if statement.find(exp.Into):
        raise NotOneSelect("SELECT ... INTO writes a table: only reading is answered here.")
    if any(not select.expressions for select in statement.find_all(exp.Select)):
        raise NotOneSelect("The query cannot be read: a SELECT names no columns.")
    if any(alias.this.is_star for alias in statement.find_all(exp.Alias) if not isinstance(alias.this, exp.Query)):
        raise NotOneSelect("The query cannot be read: * stands for several columns, and takes no name.")
    return statement


def without_end(sql: str) -> str:
    """The text of one statement up to the semicolon that ends it, if any: Athena takes nothing from there on.

    Raises NotOneSelect for a text that is no SQL.
    """
    try:
        tokens = sqlglot.tokenize(sql, read=DIALECT)
    except SqlglotError as error:
        raise NotOneSelect(_syntax(error, sql)) from None
    end = next((token.start for token in tokens if token.token_type is TokenType.SEMICOLON), len(sql))
    return sql[:end].strip()


def _is_empty(node: exp.Expr | None) -> bool:
    return node is None or isinstance(node, exp.Semicolon)


def _check_opening(sql: str, tokens: list[Token]) -> None:
    opening = next((token for token in tokens if token.token_type is not TokenType.L_PAREN), None)
    if opening is None or opening.token_type is TokenType.SEMICOLON:
        raise NotOneSelect("The query is empty.")
    if opening.token_type not in _OPENINGS:
        # Some of Hive's commands are tokens without a text of their own.
        word = sql[opening.start :].split(maxsplit=1)[0].upper()
        raise NotOneSelect(f"Only SELECT is answered here, and the statement begins with {word}.")


def _syntax(error: SqlglotError, sql: str) -> str:
    details = getattr(error, "errors", None)
    if not details:
        return f"The query cannot be read: {str(error).splitlines()[0]}"
    first = details[0]
    line, column = first["line"], max(1, first["col"] - len(first["highlight"] or "") + 1)
    shown = sql.splitlines()[line - 1] if line <= len(sql.splitlines()) else ""
    where = f"line {line}, column {column}"
    return f"The query cannot be read at {where}: {_described(first)}\n{excerpt(shown, line, column)}"


def _described(error: Mapping[str, Any]) -> str:
    """sqlglot's description without the names of its own classes."""
    text = str(error["description"])
    if text.startswith("Required keyword"):
        return f"something is missing after {error['highlight']}"
    return text.partition(" but got <")[0].lower()


def excerpt(text: str, line: int, column: int, width: int = 1) -> str:
    """A line of the query with its number, and a mark under `width` characters at `column` (from 1)."""
    gutter = f"  {line} | "
    return f"{gutter}{text}\n{' ' * (len(gutter) - 2)}| {' ' * (column - 1)}{'^' * max(1, width)}"


class TextSpan:
    """Where a parsed name stands in its text: line and column from 1, and its width in characters."""

    def __init__(self, node: exp.Expr) -> None:
        meta = node.meta
        self.start: int = meta.get("start", 0)
        self.width: int = meta.get("end", self.start) - self.start + 1
        self.line: int = meta.get("line", 1)
        self.column: int = max(1, meta.get("col", 1) - self.width + 1)
