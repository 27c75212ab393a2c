"""The lake into the bucket: many small files, a large one, and nothing to do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import (
    Case,
    Contender,
    Finished,
    Growth,
    Point,
    Promise,
    Work,
    World,
    context,
    limit,
    ours,
    peer,
)
from benchmarks.harness.child import CommandFailed
from services.lake.generate import generate
from services.lake.partitions import file_name, folder
from services.lake.population import Population
from services.lake.tables import ORDERS
from services.s3.objects import Storage

_FROM = date(2024, 1, 1)
_ROWS_OF_30_KB = 4_800
_GROUP = 1_000_000  # rows
_ALL_HASHED = "Its time is the start (0.5 s), the manifest and a listing (0.2 s) and the hash of every file (0.1 s)."
_HASHED_TOO = (
    "Ours hashes each part as it goes, and LocalStack hashes it again: 0.4 s of a processor each at 1.4 GB/s. aws s3"
    " sync sends a CRC, and compares size and time."
)
_PUTS_TAKE_HALF = (
    "LocalStack's own limit is in the way: bare PUTs of the same files, without signatures, checksums or a start-up of"
    " any weight, take 3.8 s, nearly half of aws s3 sync's 8.3 s, as LocalStack needs 1.7 ms of a processor for each;"
    " and boto3 needs 1.6 ms of the other one."
)


def cases(world: World) -> Iterator[Case | Growth]:
    """Many files, the same again, one large file, and the growth with the number of files."""
    files = world.pick(small=60, medium=2_000, large=2_000)
    many = world.folder / "many"
    days = [_FROM + timedelta(days=number) for number in range(files)]
    generate(many, Population(1_000, _ROWS_OF_30_KB, 2025), ["orders"], days, workers=2)
    first, again = world.bucket("first"), world.bucket("again")
    yield _many(world, many, first, files)
    yield _nothing_to_do(world, many, first, again, files)
    world.clear(again)
    large = world.folder / "large"
    _write_large(large, world.pick(small=8, medium=512, large=2_048) * 1_000_000)
    yield _large(world, large, first)
    shutil.rmtree(large)
    world.clear(first)
    yield _growth(world, many, first, files)
    world.clear(first)
    shutil.rmtree(many)


def _size(output: Path) -> int:
    return sum(path.stat().st_size for path in output.rglob("*.parquet"))


def _write_large(output: Path, size: int) -> None:
    """One day of orders in one file of about `size` bytes that do not compress."""
    path = output / "orders" / folder(_FROM) / file_name(0)
    path.parent.mkdir(parents=True)
    random = np.random.default_rng(7)
    with pq.ParquetWriter(path, ORDERS.schema, compression="none", use_dictionary=False) as writer:
        while path.stat().st_size < size:
            ids = random.integers(1, 2**62, _GROUP)
            amounts = pa.array(random.integers(1, 10**9, _GROUP)).cast(pa.decimal128(21, 2)).cast(pa.decimal128(12, 2))
            times = np.datetime64(_FROM, "ms") + np.sort(random.integers(0, 86_400_000, _GROUP))
            status = pa.array(np.full(_GROUP, "paid"))
            columns = [
                pa.array(ids),
                pa.array(ids[::-1]),
                amounts,
                status,
                pa.array(times).cast(ORDERS.schema.field("created_at").type),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=ORDERS.schema))


def _uploaders(
    world: World, output: Path, storage: Storage, prepare: Callable[[], object], check: Callable[[Finished], object]
) -> tuple[Contender, ...]:
    env, source, target = world.environment(), str(output / "orders"), f"{storage.bucket}/peers/orders"
    shared: dict[str, Any] = {"env": env, "prepare": prepare, "check": check}
    return (
        ours(
            "shoreline upload",
            world.shoreline("upload"),
            **{**shared, "env": world.settings(None, storage, OUTPUT_DIR=str(output))},
        ),
        peer("aws s3 sync", ["aws", "s3", "sync", "--quiet", source, f"s3://{target}"], needs=("awscli",), **shared),
        peer(
            "rclone sync",
            ["rclone", "sync", "--checksum", "--transfers", "16", source, f"s3:{target}"],
            needs=("debian",),
            **shared,
        ),
        peer(
            "s5cmd sync",
            ["s5cmd", "--log", "error", "sync", f"{source}/", f"s3://{target}/"],
            needs=("s5cmd",),
            **shared,
        ),
    )


def _expect_files(storage: Storage, files: int, _: Finished) -> None:
    found = sum(item.key.endswith(".parquet") for item in storage.objects(""))
    if found != files:
        raise CommandFailed(f"{found:,} files are in the bucket instead of {files:,}")


def _put(world: World, output: Path, storage: Storage) -> Contender:
    return limit(
        "bare PUTs",
        world.script("benchmarks.inside.put", output, storage.bucket, "bare"),
        env=world.environment(),
        prepare=partial(world.clear, storage),
    )


def _many(world: World, output: Path, storage: Storage, files: int) -> Case:
    size = _size(output)
    uploaders = _uploaders(
        world, output, storage, partial(world.clear, storage), partial(_expect_files, storage, files)
    )
    return Case(
        name="upload-many",
        title=f"Upload of {files:,} files of {size // files // 1000} KB",
        work=Work(size, "bytes"),
        contenders=(_put(world, output, storage), *uploaders),
        promises=(
            Promise("at least twice as fast as aws s3 sync", against="aws s3 sync", at_least=2, why=_PUTS_TAKE_HALF),
            Promise(
                "no more processor time than aws s3 sync",
                against="aws s3 sync",
                at_most=1,
                of="cpu_seconds",
            ),
        ),
        note="Ours also reads every file's footer, sends and records SHA-256, and writes a manifest of the rows.",
    )


def _list(storage: Storage) -> None:
    """Lists everything once: after many writes LocalStack takes half a second longer for the first listing."""
    for _ in storage.objects(""):
        pass


def _nothing_to_do(world: World, output: Path, first: Storage, again: Storage, files: int) -> Case:
    settle = partial(_list, again)
    uploaders = _uploaders(world, output, again, settle, partial(_expect_files, again, 2 * files))
    for one in uploaders[:2]:
        world.peers.install("awscli")
        subprocess.run(list(map(str, one.command)), env=dict(one.env), check=True, capture_output=True)
    ours_first = _uploaders(world, output, first, partial(world.clear, first), partial(_expect_files, first, files))[0]
    return Case(
        name="upload-again",
        title=f"The same {files:,} files again, with nothing to do",
        work=Work(files, "files"),
        contenders=(
            context("the first upload", ours_first.command, env=ours_first.env, prepare=ours_first.prepare),
            *uploaders,
        ),
        promises=(
            Promise(
                "at least 5 times as fast as the first upload", against="the first upload", at_least=5, why=_ALL_HASHED
            ),
        ),
    )


def _large(world: World, output: Path, storage: Storage) -> Case:
    size = _size(output)
    uploaders = _uploaders(world, output, storage, partial(world.clear, storage), partial(_expect_files, storage, 1))
    return Case(
        name="upload-large",
        title="Upload of one large file",
        work=Work(size, "bytes"),
        contenders=(_put(world, output, storage), *uploaders),
        promises=(Promise("at least as fast as aws s3 sync", against="aws s3 sync", at_least=1, why=_HASHED_TOO),),
    )


def _growth(world: World, output: Path, storage: Storage, files: int) -> Growth:
    """Uploads of the first 1 %, 10 % and all of the files."""
    points = []
    for count in (files // 100 or 1, files // 10, files):
        part = world.folder / f"part-{count}"
        for path in sorted(output.rglob("*.parquet"))[:count]:
            copy = part / path.relative_to(output)
            copy.parent.mkdir(parents=True)
            copy.hardlink_to(path)
        upload = _uploaders(world, part, storage, partial(world.clear, storage), partial(_expect_files, storage, count))
        points.append(Point(count, replace(upload[0], name=f"{count} files")))
    return Growth(name="upload-growth", title="Upload, by files", unit="files", points=tuple(points))
