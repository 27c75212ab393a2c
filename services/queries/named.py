"""The named queries: one file each, which opens with a comment that says what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.errors import InputError, LakeError

_SQL = Path(__file__).resolve().parents[2] / "sql" / "athena"
QUERIES, VIEWS = _SQL / "queries", _SQL / "views"


@dataclass(frozen=True)
class NamedQuery:
    """A query file: its name without the ending, what it answers, and its SQL."""

    name: str
    answers: str
    sql: str

    @property
    def number(self) -> str:
        """What its name begins with, such as '02'."""
        return self.name.partition("_")[0]


def read_query(path: Path) -> NamedQuery:
    """The query in a file. Raises InputError for one that is not there or does not say what it answers."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {(error.strerror or 'error').lower()}.") from None
    except UnicodeDecodeError:
        raise InputError(f"'{path}' is no text file in UTF-8.") from None
    opening = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        opening.append(line.removeprefix("--").strip())
    return NamedQuery(path.stem, " ".join(opening), text)


def named_queries(folder: Path = QUERIES) -> list[NamedQuery]:
    """All query files in the order of their numbers. Raises LakeError for one without an opening comment."""
    found = [read_query(path) for path in sorted(folder.glob("*.sql"))]
    for query in found:
        if not query.answers:
            raise LakeError(
                f"{query.name}.sql does not say what it answers.",
                next_step="Begin the file with a comment that says it.",
            )
    return found


def named_views(folder: Path = VIEWS) -> dict[str, str]:
    """The views over the lake's tables by name: each a SELECT in a file of that name. There need not be any."""
    return {path.stem.lower(): read_query(path).sql.strip() for path in sorted(folder.glob("*.sql"))}


def query_text(given: str) -> NamedQuery:
    """The query that a person means: a file's path, the number or name of a named query, or SQL itself.

    Raises InputError for a file that cannot be read, and for a number that no query has.
    """
    text = given.strip()
    if text.endswith(".sql"):
        return read_query(Path(text))
    named = named_queries()
    for query in named:
        if text in (query.name, query.number):
            return query
    if text.isdigit():
        raise InputError(f"There is no query {text}: there are {', '.join(query.number for query in named)}.")
    return NamedQuery("query", "", given)
