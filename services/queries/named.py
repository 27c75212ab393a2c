"""The named queries: one file each, with an opening comment that says what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.errors import InputError, LakeError

_SQL = Path(__file__).resolve().parents[2] / "sql" / "athena"
QUERIES, VIEWS = _SQL / "queries", _SQL / "views"


@dataclass(frozen=True)
class NamedQuery:
    """A query in a file."""

    name: str  # the file's, without its ending
    answers: str  # the question that its opening comment asks
    sql: str

    @property
    def number(self) -> int:
        """The number that its name begins with, such as 2 for '02_revenue'; 0 for none."""
        digits = self.name.partition("_")[0]
        return int(digits) if digits.isdecimal() else 0


def read_query(path: Path) -> NamedQuery:
    """Return the query in a file. Raises InputError for one that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {(error.strerror or 'error').lower()}.") from None
    except UnicodeDecodeError:
        raise InputError(f"'{path}' is not encoded in UTF-8.") from None
    opening = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        opening.append(line.removeprefix("--").strip())
    return NamedQuery(path.stem, " ".join(opening), text)


def named_queries(folder: Path = QUERIES) -> list[NamedQuery]:
    """Return all query files in the order of their numbers. Raises LakeError for one without an opening comment."""
    queries = [read_query(path) for path in sorted(folder.glob("*.sql"))]
    for query in queries:
        if not query.answers:
            raise LakeError(
                f"{query.name}.sql has no comment that says what it answers.",
                next_step="Begin the file with one: `-- How many orders were there on a day?`",
            )
    return queries


def named_views(folder: Path = VIEWS) -> dict[str, str]:
    """Return the views over the lake's tables by name: each is a SELECT in a file of that name."""
    return {path.stem.lower(): read_query(path).sql.strip() for path in sorted(folder.glob("*.sql"))}


def find_query(text: str) -> NamedQuery:
    """Return the query in a file, the named query of a number or name, or SQL itself as a query.

    Raises InputError for a file that cannot be read, and for a number without a query.
    """
    wanted = text.strip()
    if wanted.endswith(".sql"):
        return read_query(Path(wanted))
    named = named_queries()
    for query in named:
        if wanted == query.name or (wanted.isdecimal() and int(wanted) == query.number):
            return query
    if wanted.isdecimal():
        numbers = ", ".join(str(query.number) for query in named)
        raise InputError(f"Query {wanted} does not exist.", next_step=f"Choose one of {numbers}.")
    return NamedQuery("query", "", text)
