"""Whatever a table's rows are and whatever was done to them, its drill finds it equal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.backups.drill import drill
from services.backups.load import LoadOptions
from services.backups.repository import DumpOptions
from services.postgres.client import Database
from tests.archives import Archives

# A value of each type for row `i`, of a width that differs from row to row.
VALUES = {
    "text": "repeat(md5(i::text), (i * {step}) % {width})",
    "varchar(300)": "left(repeat('é', (i * {step}) % {width}), 300)",
    "bytea": "decode(repeat('0a5c', (i * {step}) % {width}), 'hex')",
    "jsonb": "jsonb_build_object('key', repeat('z', (i * {step}) % {width}))",
    "int[]": "array_fill(i, ARRAY[(i * {step}) % {width} / 8])",
    "numeric": "nullif(i, {step}) / 7.0",
    "smallint": "i % 30000",
    "double precision": "CASE i % 5 WHEN 0 THEN '-0' WHEN 1 THEN 'NaN' ELSE i / 3.0::float8 END",
    "boolean": "nullif(i % 3, 2) = 0",
    "uuid": "md5(i::text)::uuid",
    "timestamptz": "timestamptz '1999-12-31 23:59:59.123456+03' + i * interval '1 hour'",
    "interval": "i * interval '1 month 3 days -2 seconds'",
    "inet": "inet '10.0.0.1' + i",
    "int4range": "int4range(i, i + {step})",
}
WORK = (
    "DELETE FROM {table} WHERE id % 50 = 7",
    "UPDATE {table} SET wide = repeat('u', (id * 13) % 700) WHERE id % 20 = 3",
    "UPDATE {table} SET wide = NULL WHERE id % 7 = 5",
    "CREATE INDEX ON {table} (id DESC); CLUSTER {table} USING {table}_id_idx",
    "CREATE TABLE {table}_again AS SELECT * FROM {table} ORDER BY md5(id::text)",
    "INSERT INTO {table} SELECT * FROM {table} WHERE id % 9 = 2",
    """CREATE TABLE {table}_child (extra text DEFAULT 'x') INHERITS ({table});
    INSERT INTO {table}_child SELECT * FROM {table} WHERE id % 2 = 0""",
    """CREATE TABLE {table}_late AS SELECT wide, id FROM {table};
    CREATE TABLE {table}_parent (id int, wide text);
    ALTER TABLE {table}_late INHERIT {table}_parent""",
    "ALTER TABLE {table} ADD added int DEFAULT 7; UPDATE {table} SET added = id WHERE id % 3 = 0",
    "ALTER TABLE {table} ALTER wide SET STORAGE external",
)
VACUUM = ("VACUUM {table}", "VACUUM FULL {table}", "VACUUM FREEZE {table}")


@dataclass(frozen=True)
class Table:
    """A table to create: its columns, its rows, and what is done to them."""

    types: tuple[str, ...]
    step: int
    width: int
    rows: int
    work: tuple[str, ...]

    def statements(self, name: str) -> list[str]:
        """The SQL that creates it under this name; each may have to stand alone."""
        columns = "".join(f", c{number} {type_}" for number, type_ in enumerate(self.types))
        values = "".join(f", ({VALUES[type_]})::{type_}" for type_ in self.types)
        filled = (
            f"INSERT INTO {name} SELECT i, repeat('w', (i * {{step}}) % {{width}}){values}"
            f" FROM generate_series(1, {self.rows}) i"
        )
        create = f"CREATE TABLE {name} (id int, wide text{columns})"
        return [
            create,
            filled.format(step=self.step, width=self.width),
            *(each.format(table=name) for each in self.work),
        ]


tables = st.builds(
    Table,
    types=st.lists(st.sampled_from(sorted(VALUES)), max_size=4).map(tuple),
    step=st.integers(1, 997),
    width=st.integers(1, 900),
    rows=st.sampled_from([0, 1, 60, 400, 1600]),
    work=st.lists(st.sampled_from(WORK), unique=True, max_size=5).flatmap(
        lambda work: st.lists(st.sampled_from(VACUUM), max_size=1).map(lambda last: (*work, *last))
    ),
)


@pytest.mark.parametrize("format_", ["plain", "custom"])
def test_drill_of_any_generated_tables_is_equal(archives: Archives, database: Database, format_: str) -> None:
    attempts, drilled = count(), []

    @settings(
        max_examples=3,  # the first is the simplest that there is
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
    )
    @given(st.lists(tables, min_size=8, max_size=8))
    def prove(generated: list[Table]) -> None:
        attempt = next(attempts)  # one that failed is repeated
        with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
            for number, table in enumerate(generated):
                for statement in table.statements(f"t{attempt}_{number}"):
                    for each in statement.split(";"):
                        cursor.execute(each)
        options = DumpOptions("plain" if format_ == "plain" else "custom", globals="none")
        backup = archives.back_up(database, options=options)
        record = drill(archives.storage, backup, database, LoadOptions(), archives.storage.now()).record
        assert record.differences == ()
        drilled.append(record)

    prove()
    assert drilled
