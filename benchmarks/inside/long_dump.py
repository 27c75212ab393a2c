"""Stands in for pg_dump where a dump is longer than a benchmark's database: one table of about so many bytes."""

from __future__ import annotations

import random
import sys
from pathlib import Path

_BLOCK = 1 << 20
_HEADER = b"""--
-- PostgreSQL database dump
--

--
-- Data for Name: events; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.events (event_id, user_id, event_type, payload, created_at) FROM stdin;
"""
_END = b"""\\.

--
-- PostgreSQL database dump complete
--

"""


def stand_in(folder: Path, size: int) -> Path:
    """A new folder with a program `pg_dump` that writes a dump of about `size` bytes."""
    folder.mkdir(parents=True)
    program = folder / "pg_dump"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{__file__}' {size}\n", encoding="utf-8")
    program.chmod(0o755)
    return folder


def rows(size: int) -> bytes:
    """Whole rows of about `size` bytes that compress as the sample's events do."""
    chance = random.Random(2025)  # the same bytes in each run
    held: list[bytes] = []
    length = 0
    while length < size:
        session = f"{chance.getrandbits(128):032x}"
        payload = f'{{"ms": {chance.randrange(4000)}, "path": "/page/{chance.randrange(40)}", "session": "{session}"}}'
        moment = f"2025-04-07 07:53:{chance.randrange(60):02d}.{chance.randrange(1_000_000):06d}+00"
        row = f"{len(held)}\t{chance.randrange(3_000_000)}\tclick\t{payload}\t{moment}\n".encode()
        held.append(row)
        length += len(row)
    return b"".join(held)


def main() -> None:
    """Writes it: the same megabyte over and over, which is far more than the compressor looks back."""
    block = rows(_BLOCK)
    out = sys.stdout.buffer
    out.write(_HEADER)
    for _ in range(int(sys.argv[1]) // len(block)):
        out.write(block)
    out.write(_END)


if __name__ == "__main__":
    main()
