"""Why the offline engine does not answer."""

from __future__ import annotations

from sqlglot import exp

from services.errors import QueryRefused
from services.queries.guard.statement import DIALECT, TextSpan


class AthenaRefuses(QueryRefused):
    """Athena would not run the query, though another engine would."""

    next_step = "Correct the query: Athena compares and combines only what has the same type."


class NotAnsweredOffline(QueryRefused):
    """The offline engine is not known to give Athena's answer."""

    next_step = "Run it with --engine athena, or write it otherwise; docs/athena-offline.md lists what is answered."


def refuses(node: exp.Expr, why: str) -> AthenaRefuses:
    """Athena's own refusal of an expression."""
    return AthenaRefuses(f"Athena refuses `{shown(node)}`{place(node)}: {why}.")


def not_offline(node: exp.Expr, why: str) -> NotAnsweredOffline:
    """An expression that DuckDB answers otherwise, or may."""
    return NotAnsweredOffline(f"The offline engine does not answer `{shown(node)}`{place(node)}: {why}.")


def shown(node: exp.Expr, width: int = 70) -> str:
    """The expression as it was written, near enough, with names unquoted and cut to `width`."""
    copy = node.copy()
    for name in copy.find_all(exp.Identifier):
        name.set("quoted", False)
    for table in copy.find_all(exp.Table):
        table.set("this", exp.to_identifier(table.meta.get("table", table.name)))
    text = copy.sql(DIALECT, comments=False)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def place(node: exp.Expr) -> str:
    """Where a part of the expression stands in the query, when it is known."""
    for inner in node.walk():
        if "line" in inner.meta:
            span = TextSpan(inner)
            return f" (line {span.line}, column {span.column})"
    return ""
