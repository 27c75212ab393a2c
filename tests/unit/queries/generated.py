"""Whole queries over orders and events that nobody wrote, each scan with a filter on its partitions beside it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

Columns = dict[str, str]
Scope = list[tuple[str, Columns]]

_SHARED = {"user_id": "int", "created_at": "time", "year": "int", "month": "int", "day": "int"}
_TABLES: dict[str, Columns] = {
    "orders": {"order_id": "int", "amount": "money", "status": "text", **_SHARED},
    "events": {"event_id": "int", "event_type": "text", "payload": "text", **_SHARED},
}
_KINDS = ("int", "money", "text", "time")
_BOUNDS = (
    "{0}.year = 2025 AND {0}.month = 1",
    "{0}.day = 10",
    "{0}.day IN (11, 12, NULL)",
    "NOT ({0}.year <> 2025 OR {0}.day >= 12)",
    "({0}.day = 10 AND {0}.user_id > 50 OR {0}.day = 12)",
    "{0}.year = 2025 AND {0}.day < 12 AND {0}.day + 0 = 10",
    "{0}.month = 2 AND {0}.day = CAST(1 AS bigint)",
    "12 > {0}.day AND CASE WHEN {0}.month = 1 THEN {0}.day = 11 ELSE TRUE END",
)
_LITERALS = {
    "int": ("1", "10", "2025", "NULL"),
    "money": ("0.50", "99.99"),
    "text": ("'paid'", "'login'", "''"),
    "time": ("TIMESTAMP '2025-01-10 12:00:00'", "TIMESTAMP '2025-02-01 00:00:00.000'"),
}
_FUNCTIONS = {
    "int": ("({int} % 7)", "abs({int})", "length({text})", "day({time})", "date_diff('day', {time}, {time})"),
    "money": ("({money} + 1.50)", "round({money}, 1)", "CAST({int} AS decimal(20,2))"),
    "text": ("lower({text})", "CAST({int} AS varchar)", "date_format({time}, '%Y-%m-%d')", "substr({text}, 1, 3)"),
    "time": ("date_trunc('day', {time})", "date_add('day', 1, {time})"),
}


class Queries:
    """Draws queries; only what two engines answer alike, so no LIMIT and no order among equals."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.named = 0
        self.ctes: Scope = []

    def name(self) -> str:
        self.named += 1
        return f"x{self.named}"

    def query(self, depth: int = 2, kinds: Sequence[str] = (), outer: Scope | None = None) -> tuple[str, Columns]:
        """A query and its columns; `kinds` are those that it must have, `outer` what it may refer to."""
        wanted = list(kinds) or [self.random.choice(_KINDS) for _ in range(self.random.randint(1, 3))]
        known, with_ = list(self.ctes), ""
        if depth and self.random.random() < 0.3:
            text, columns = self.query(depth - 1)
            name = self.name()
            self.ctes.append((name, columns))
            with_ = f"WITH {name} AS ({text}) "
        text, columns = self.select(depth, wanted, outer or [])
        if depth and self.random.random() < 0.2:
            word = self.random.choice(("UNION ALL", "UNION", "EXCEPT", "INTERSECT"))
            text = f"{text} {word} {self.select(0, wanted, [])[0]}"
        self.ctes = known
        return with_ + text, columns

    def select(self, depth: int, kinds: Sequence[str], outer: Scope) -> tuple[str, Columns]:
        text, scope, conditions = self.sources(depth)
        if outer:
            conditions.append(f"{self.column(scope, 'int')} = {self.column(outer, 'int')}")
        if self.random.random() < 0.5:
            conditions.append(self.condition(scope, depth))
        columns = {self.name(): kind for kind in kinds}
        form = self.random.choice(("plain", "plain", "window", "grouped"))
        group = self.column(scope, "int")
        if not group.partition(".")[2]:  # a number there would be the place of an output
            form = "plain"
        items = [f"{self.item(scope, kind, form, group)} AS {name}" for name, kind in columns.items()]
        end = f" GROUP BY {self.random.choice(('{}', 'ROLLUP ({})')).format(group)}" if form == "grouped" else ""
        where = " AND ".join(f"({each})" for each in conditions) or "TRUE"
        return f"SELECT {', '.join(items)} FROM {text} WHERE {where}{end}", columns

    def sources(self, depth: int) -> tuple[str, Scope, list[str]]:
        text, scope, conditions = "", Scope(), list[str]()
        for number in range(self.random.choice((1, 1, 2))):
            name, chance = self.name(), self.random.random()
            if self.ctes and chance < 0.4:
                source, columns = self.random.choice(self.ctes)
            elif depth and chance < 0.6:
                source, columns = self.query(depth - 1, ("int", *self.random.choices(_KINDS, k=2)))
                source = f"({source})"
            else:
                source = self.random.choice(list(_TABLES))
                columns = _TABLES[source]
                conditions.append(self.random.choice(_BOUNDS).format(name))
            joined = [*scope, (name, columns)]
            if not number:
                text = f"{source} {name}"
            else:
                word = self.random.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
                on = f"{self.column(scope, 'int')} = {self.column([(name, columns)], 'int')}"
                text += f" {word} {source} {name} ON {on}"
            scope = joined
        return text, scope, conditions

    def column(self, scope: Scope, kind: str) -> str:
        found = [f"{name}.{column}" for name, columns in scope for column, its in columns.items() if its == kind]
        return self.random.choice(found or [_LITERALS[kind][0]])

    def item(self, scope: Scope, kind: str, form: str, group: str) -> str:
        value = self.value(scope, kind)
        if form == "grouped":
            return f"count({value})" if kind == "int" else f"max({value})"
        if form == "window" and kind in ("int", "money"):
            function = self.random.choice(("sum", "max", "count" if kind == "int" else "min"))
            return f"{function}({value}) OVER (PARTITION BY {group})"
        return value

    def value(self, scope: Scope, kind: str, depth: int = 2) -> str:
        if not depth or self.random.random() < 0.5:
            return self.column(scope, kind)
        if self.random.random() < 0.3:
            return f"coalesce({self.value(scope, kind, 0)}, {self.random.choice(_LITERALS[kind])})"
        values = {each: self.value(scope, each, depth - 1) for each in _KINDS}
        return self.random.choice(_FUNCTIONS[kind]).format(**values)

    def condition(self, scope: Scope, depth: int) -> str:
        chance, kind = self.random.random(), self.random.choice(_KINDS)
        if depth and chance < 0.15:
            negated = self.random.choice(("", "NOT "))
            return f"{negated}EXISTS ({self.query(0, outer=scope)[0]})"
        if depth and chance < 0.3:
            inner = self.query(0, (kind,), scope if self.random.random() < 0.3 else None)[0]
            return f"{self.value(scope, kind)} {self.random.choice(('', 'NOT '))}IN ({inner})"
        if chance < 0.5:
            word = self.random.choice((" AND ", " OR "))
            return f"({self.comparison(scope)}{word}NOT {self.comparison(scope)})"
        return self.comparison(scope)

    def comparison(self, scope: Scope) -> str:
        kind = self.random.choice(_KINDS)
        if self.random.random() < 0.3:
            return f"{self.value(scope, kind)} IS {self.random.choice(('', 'NOT '))}NULL"
        operator = self.random.choice(("=", "<>", "<", ">=", "IS DISTINCT FROM"))
        return f"{self.value(scope, kind)} {operator} {self.random.choice(_LITERALS[kind])}"
