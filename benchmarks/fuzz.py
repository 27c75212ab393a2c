"""Mutated queries against the guard, the resolver, the translator and DuckDB: each is answered or refused.

`make fuzz` runs 10,000. A query that ends otherwise is printed with what it raised; add it to
tests/unit/queries/fuzz_cases.py, which the tests run.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import sqlglot
from sqlglot.errors import SqlglotError

from services.errors import ShorelineError
from services.lake.generate import DEFAULT_DAYS, generate
from services.lake.population import Population
from services.queries.files import FolderFiles
from services.queries.named import named_queries
from services.queries.offline.engine import DuckDbEngine
from services.queries.prediction import LakeFiles, predict
from services.queries.time_limit import QueryTimedOut
from tests.unit.queries.fuzz_cases import CASES
from tests.unit.queries.generated import Queries
from tests.unit.queries.guard_cases import ALLOWED, REFUSED
from tests.unit.queries.lake import LAKE
from tests.unit.queries.offline_cases import ANSWERS, ATHENA_REFUSES, FAILS
from tests.unit.queries.offline_cases import REFUSED as NOT_OFFLINE

_RUN_SECONDS = 5.0
_SLOW_SECONDS = 10.0
_TEXT = r"""
SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET UNION ALL INTERSECT EXCEPT WITH AS ON USING JOIN LEFT FULL CROSS
LATERAL UNNEST VALUES EXISTS IN NOT NULL IS LIKE ESCAPE BETWEEN AND OR CASE WHEN THEN ELSE END CAST TRY_CAST DISTINCT
OVER PARTITION ROWS RANGE PRECEDING FOLLOWING FILTER INTERVAL DAY MONTH DATE TIMESTAMP ARRAY MAP ROW TABLESAMPLE
ROLLUP CUBE GROUPING SETS FETCH FIRST TIES MATCH_RECOGNIZE PIVOT QUALIFY WINDOW FOR SYSTEM_TIME OF RECURSIVE
( ) [ ] { } , . ; : :: -> => || + - * / % = <> != < > <= >= ? @ $ # ! & | ^ ~ ` " ' '' -- /* */ \
0 1 -1 2025 .5 1e400 99999999999999999999999999999999999999999 0x1F 'a' 'a%' '' NULL TRUE "x" "a""b" "odd;type"
orders events o e x t year month day amount status created_at order_id user_id payload scan_0 orders.year
count(*) sum(amount) max(x) substr(status) split_part(status,'a') CAST(amount~AS~decimal(day,2)) extract(day~FROM~x)
date_trunc('day',created_at) json_extract_scalar(payload,'$..a') concat() if(1) row_number() lag(amount,1,2) f(x)
decimal(38,0) varchar(5) timestamp(3) bigint array(bigint) "odd~type" day interval~'1'~day x->x+1
"""
_PIECES = [piece.replace("~", " ") for piece in _TEXT.split()]


def corpus(random: Random) -> list[str]:
    """Queries to begin with: those of the tests, the named ones, and generated ones."""
    expressions = [case[0] for cases in (ANSWERS, FAILS, NOT_OFFLINE, ATHENA_REFUSES) for case in cases]
    generated = [Queries(random).query()[0] for _ in range(100)]
    return [
        *(f"SELECT {expression} AS x" for expression in expressions),
        *(case[1] for cases in (ALLOWED, REFUSED) for case in cases),
        *(query.sql for query in named_queries()),
        *generated,
        *CASES,
    ]


def mutated(text: str, others: list[str], random: Random) -> str:
    """The query after some changes to its tokens and characters."""
    words = _words(text)
    for _ in range(random.choice((1, 1, 1, 1, 2)) if words else 0):
        at = random.randrange(1, len(words) + 1)  # the first word stays: most queries that begin otherwise end there
        step = random.choice(_STEPS)
        words = step(words, at, others, random)
    joined = " ".join(words)
    if random.random() < 0.1 and joined:
        at = random.randrange(len(joined))
        joined = joined[:at] + random.choice(("", chr(random.randrange(1, 0x2FF)), joined[at] * 2)) + joined[at + 1 :]
    return joined


def _words(text: str) -> list[str]:
    try:
        tokens = sqlglot.tokenize(text, read="athena")
    except SqlglotError:
        return text.split()
    return [text[token.start : token.end + 1] for token in tokens]


Step = Callable[[list[str], int, list[str], Random], list[str]]


def _remove(words: list[str], at: int, _: list[str], random: Random) -> list[str]:
    return words[:at] + words[at + random.choice((1, 1, 2, 5)) :]


def _insert(words: list[str], at: int, _: list[str], random: Random) -> list[str]:
    return [*words[:at], random.choice(_PIECES), *words[at:]]


def _replace(words: list[str], at: int, _: list[str], random: Random) -> list[str]:
    return [*words[:at], random.choice(_PIECES), *words[at + 1 :]]


def _repeat(words: list[str], at: int, _: list[str], random: Random) -> list[str]:
    end = at + random.choice((1, 2, 4))
    return words[:end] + words[at:end] * random.choice((1, 1, 3)) + words[end:]


def _swap(words: list[str], at: int, _: list[str], random: Random) -> list[str]:
    other = random.randrange(len(words) + 1)
    first, second = min(at, other), max(at, other)
    return [
        *words[:first],
        *words[second : second + 1],
        *words[first + 1 : second],
        *words[first : first + 1],
        *words[second + 1 :],
    ]


def _splice(words: list[str], at: int, others: list[str], random: Random) -> list[str]:
    borrowed = _words(random.choice(others))
    start = random.randrange(len(borrowed) + 1)
    return words[:at] + borrowed[start : start + random.choice((1, 3, 8))] + words[at:]


def _replace_alike(words: list[str], at: int, others: list[str], random: Random) -> list[str]:
    """Puts a word of the same kind, from another query, in the place of one."""
    borrowed = [word for word in _words(random.choice(others)) if _kind(word) == _kind(words[at - 1])]
    return [*words[: at - 1], random.choice(borrowed or words), *words[at:]]


def _kind(word: str) -> str:
    return "word" if word[0].isalpha() else "number" if word[0].isdigit() else word[0] if word[0] in "'\"" else "sign"


_STEPS: tuple[Step, ...] = (
    _remove, _insert, _replace, _repeat, _swap, _splice, *[_replace_alike] * 12,
)  # fmt: skip


def main() -> int:
    """Runs the fuzz; 1 when a query crashed or took too long to refuse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    random = Random(chosen.seed)  # no secret
    queries = corpus(random)
    outcomes: Counter[str] = Counter()
    crashes: dict[str, str] = {}
    slow = 0.0
    with tempfile.TemporaryDirectory(prefix="shoreline-fuzz-") as folder:
        generate(Path(folder), Population(20, 50, seed=7), ("orders", "events"), DEFAULT_DAYS, workers=1)
        lake = LakeFiles(FolderFiles(Path(folder)))
        engine = DuckDbEngine(lake, timeout_seconds=_RUN_SECONDS)
        for number in range(chosen.queries):
            sql = mutated(random.choice(queries), queries, random)
            began = time.monotonic()
            try:
                engine.run(predict(sql, LAKE, lake))
                outcomes["answered"] += 1
            except QueryTimedOut:
                outcomes["timed out"] += 1
                engine.close()
                engine = DuckDbEngine(lake, timeout_seconds=_RUN_SECONDS)
            except ShorelineError as error:
                outcomes[type(error).__name__] += 1
            except Exception as error:  # what the fuzz is for
                crashes.setdefault(f"{type(error).__name__}: {error}"[:200], sql)
                outcomes["crashed"] += 1
            taken = time.monotonic() - began
            slow = max(slow, taken)
            if taken > _SLOW_SECONDS + _RUN_SECONDS:
                crashes.setdefault(f"took {taken:.0f} s", sql)
            if number % 1000 == 999:
                print(f"{number + 1:,} queries, {dict(outcomes)}", file=sys.stderr, flush=True)
        engine.close()
    for name, count in outcomes.most_common():
        print(f"{count:>7,} {name}")
    print(f"slowest: {slow:.1f} s")
    for why, sql in crashes.items():
        print(f"\n{why}\n  {sql!r}")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
