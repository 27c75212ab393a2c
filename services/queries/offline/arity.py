"""How many arguments Trino's functions take: the parser takes more, takes fewer, or fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot.tokenizer_core import Token, TokenType

from services.queries.guard.statement import DIALECT, excerpt
from services.queries.offline.refusals import AthenaRefuses

_ANY = 10_000
_ARGUMENTS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("row_number", "rank", "dense_rank"), (0, 0)),
    **dict.fromkeys(("abs", "ceil", "ceiling", "floor", "sqrt", "length", "lower", "upper", "reverse", "date"), (1, 1)),
    **dict.fromkeys(("year", "quarter", "month", "week", "week_of_year", "day", "day_of_month", "day_of_week"), (1, 1)),
    **dict.fromkeys(("dow", "doy", "day_of_year", "hour", "minute", "second", "first_value", "last_value"), (1, 1)),
    **dict.fromkeys(("sum", "avg", "count_if", "bool_and", "bool_or", "every", "ltrim", "rtrim"), (1, 1)),
    "count": (0, 1),
    **dict.fromkeys(("round", "trim", "min", "max"), (1, 2)),
    **dict.fromkeys(("lag", "lead"), (1, 3)),
    **dict.fromkeys(("greatest", "least"), (1, _ANY)),
    **dict.fromkeys(("mod", "nullif", "starts_with", "date_trunc", "date_format", "json_extract_scalar"), (2, 2)),
    **dict.fromkeys(("substr", "substring", "strpos", "replace", "if"), (2, 3)),
    **dict.fromkeys(("concat", "coalesce"), (2, _ANY)),
    **dict.fromkeys(("split_part", "date_add", "date_diff"), (3, 3)),
}
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
_STANDARD_SYNTAX = {TokenType.FROM, TokenType.FOR, TokenType.ORDER_BY}  # substring(s FROM 1 FOR 2), max(x ORDER BY y)


def check_arity(sql: str) -> None:
    """Raises AthenaRefuses for a call with another number of arguments than the function takes."""
    for token, given in _calls(sqlglot.tokenize(sql, read=DIALECT)):
        least, most = _ARGUMENTS[token.text.lower()]
        if least <= given <= most:
            continue
        column = max(1, token.col - len(token.text) + 1)
        wanted = str(least) if least == most else f"at least {least}" if most == _ANY else f"{least} to {most}"
        raise AthenaRefuses(
            f"Athena refuses {token.text} (line {token.line}, column {column}) with"
            f" {given} argument{'' if given == 1 else 's'}: it takes {wanted}.\n"
            + excerpt(sql.splitlines()[token.line - 1], token.line, column, len(token.text)),
            next_step="Correct the call.",
        )


def _calls(tokens: Sequence[Token]) -> Iterator[tuple[Token, int]]:
    """The calls of functions whose arity is known, each with its number of arguments."""
    for at, token in enumerate(tokens[:-1]):
        if token.text.lower() not in _ARGUMENTS or tokens[at + 1].token_type is not TokenType.L_PAREN:
            continue
        if token.token_type in (TokenType.STRING, TokenType.NUMBER):
            continue
        if at and tokens[at - 1].token_type in (TokenType.DOT, TokenType.ALIAS):  # of no function of Trino's, or a name
            continue
        given, end = _arguments(tokens, at + 2)
        names_columns = [following.token_type for following in tokens[end + 1 : end + 3]]
        if given is not None and names_columns != [TokenType.ALIAS, TokenType.L_PAREN]:  # WITH rank(a, b) AS (
            yield token, given


def _arguments(tokens: Sequence[Token], start: int) -> tuple[int | None, int]:
    """The number of arguments from `start` on, None where commas do not part them, and where they end."""
    depth, commas, standard = 1, 0, False
    for at in range(start, len(tokens)):
        kind = tokens[at].token_type
        if kind in _OPENING:
            depth += 1
        elif kind in _CLOSING:
            depth -= 1
            if not depth:
                return (None if standard else 0 if at == start else commas + 1), at
        elif depth == 1:
            commas += kind is TokenType.COMMA
            standard = standard or kind in _STANDARD_SYNTAX
    return None, len(tokens)
