"""What is inserted into a plain dump on its way into a database."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backups.script import truncate_before_copy
from tests.unit.backups.test_scanner import BODIES, HEAD, TAIL, entry, rows_of

TABLE = b"CREATE TABLE public.%s (\n    a integer,\n    b integer\n);"
BEGIN = b"BEGIN;\nTRUNCATE TABLE ONLY public.mine;\n"


def load(text: bytes) -> bytes:
    return b"".join(truncate_before_copy([text]))


@given(
    rows=st.lists(st.sampled_from([b"1\t2", b"\\\\.\t\\N", b"COPY public.mine (a, b) FROM stdin;"]), max_size=4),
    seed=st.integers(0, 2**32),
)
def test_load_order_is_inserted_wherever_the_stream_is_cut(rows: list[bytes], seed: int) -> None:
    copy = rows_of("mine", rows)
    dump = HEAD + entry("TABLE", "mine", TABLE % b"mine") + b"".join(entry("THING", "x", body) for body in BODIES)
    start = len(dump) + copy.index(b"COPY ")
    dump += copy + TAIL
    end = dump.index(b"\n\\.\n", start) + len(b"\n\\.\n")
    expected = dump[:start] + BEGIN + dump[start:end] + b"COMMIT;\n" + dump[end:]
    cuts = sorted(random.Random(seed).sample(range(len(dump)), 12))
    blocks = [dump[at:to] for at, to in zip([0, *cuts], [*cuts, len(dump)], strict=True)]
    assert b"".join(truncate_before_copy(blocks)) == expected
    assert b"".join(truncate_before_copy(dump[at : at + 1] for at in range(len(dump)))) == expected


@pytest.mark.parametrize(
    "dump",
    [
        HEAD + rows_of("spatial_ref_sys", [b"1\t2"]) + TAIL,
        HEAD
        + entry("TABLE", "t", TABLE % b"t")
        + entry(
            "TABLE DATA", "p", b"-- load via partition root public.t\nCOPY public.t (a, b) FROM stdin;\n1\t2\n\\.\n"
        )
        + TAIL,
    ],
    ids=["of an extension", "through its root"],
)
def test_table_that_may_hold_rows_is_not_emptied(dump: bytes) -> None:
    assert load(dump) == dump
