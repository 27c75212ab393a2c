"""The boundary around the parser: whatever fails inside it is a refusal of the query, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from services.errors import QueryRefused, ShorelineError

P = ParamSpec("P")
T = TypeVar("T")


class QueryNotUnderstood(QueryRefused):
    """The query has a form that the parser does not take."""

    next_step = "Write it in another form, or split it into smaller queries."


def understood(done: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Turns what a function over a parsed query raises into QueryNotUnderstood; `done` is what was to be done with it.

    The parser fails on text that nobody foresaw with whatever Python raises there; Shoreline's own errors pass.
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
                why = (
                    type(error).__name__ if not str(error) else f"{type(error).__name__}: {str(error).splitlines()[0]}"
                )
                raise QueryNotUnderstood(f"The query has a form that cannot be {done} ({why}).") from error

        return within

    return around
