"""Many of everything: 10,000 backups in a bucket, 10,000 partitions in a table, a table of 1,000 columns."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from benchmarks.harness import Case, Growth, Point, World, ours
from services.backups.manifest import File, Manifest
from services.backups.naming import MANIFEST, Naming
from services.storage import Storage

_WRITERS = 16
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def cases(world: World) -> Iterator[Case | Growth]:
    """The listing of backups, by their number."""
    storage = world.bucket("scale")
    yield _backups(world, storage)
    world.clear(storage)


def _backups(world: World, storage: Storage) -> Growth:
    """`shoreline backups`: one real backup's manifest under other times, each beside an object of one byte."""
    env = world.settings(world.sample_database(1_000), storage, BACKUP_PREFIX="one")
    subprocess.run(world.shoreline("backup"), env=env, check=True, capture_output=True)
    key = next(item.key for item in storage.objects("one/") if item.key.endswith(MANIFEST))
    written = storage.read(key)
    assert written is not None
    manifest = Manifest.from_json(written)
    points = []
    for count in world.pick(small=(10, 100), medium=(100, 1_000, 10_000), large=(100, 1_000, 10_000)):
        prefix = f"many/{count}"
        _copy(storage, prefix, count, manifest)
        listing = ours(f"{count} backups", world.shoreline("backups", "--json"), env={**env, "BACKUP_PREFIX": prefix})
        points.append(Point(count, listing))
    return Growth(
        name="backups", title="shoreline backups, by backups in the bucket", unit="backups", points=tuple(points)
    )


def _copy(storage: Storage, prefix: str, count: int, manifest: Manifest) -> None:
    naming = Naming(prefix)

    def put(number: int) -> None:
        name = naming.name(manifest.database, _FIRST + timedelta(hours=2 * number))
        dump = name.key(".sql.gz")
        file = File(dump.rpartition("/")[2], 1, manifest.object.sha256)
        storage.put(dump, b"-")
        storage.put(name.key(MANIFEST), replace(manifest, object=file, taken_at=name.taken_at).to_json())

    with ThreadPoolExecutor(_WRITERS) as writers:
        list(writers.map(put, range(count)))
