"""Where the benchmarks take place: servers, databases, buckets and settings of their own under .local/benchmarks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from benchmarks.harness.case import Role
from benchmarks.harness.peers import Peers
from benchmarks.inside.put import put_object
from services.lake.generate import generate
from services.lake.population import Population
from services.local.stack import HOME, PROJECT, Stack
from services.postgres import sample_database as platform
from services.postgres.client import Database
from services.s3.client import Aws, AwsAccess
from services.s3.objects import Storage

Size = Literal["small", "medium", "large"]
T = TypeVar("T")

ROUNDS: dict[Size, int] = {"small": 2, "medium": 5, "large": 2}  # at most, for each contender
PATIENCE: dict[Size, float] = {"small": 2.0, "medium": 10.0, "large": 30.0}  # seconds for a contender in a case
_PEERS_SHARE = 0.5  # of the patience: a peer that takes ten times as long need not be run as often

_REGION = "us-east-1"
_WRITERS = 4


class World:
    """One run's surroundings. The PostgreSQL keeps its databases for the next run; LocalStack and files go."""

    def __init__(self, size: Size, home: Path = HOME / "benchmarks") -> None:
        self.size = size
        self.folder = home / "scratch"
        self.peers = Peers()
        self._home = home
        self._started = False

    @property
    def rounds(self) -> int:
        """How often each contender runs, if its patience lasts."""
        return ROUNDS[self.size]

    def patience(self, role: Role) -> float:
        """Seconds after which a contender sits out the later rounds of a case."""
        return PATIENCE[self.size] * (1 if role in (Role.OURS, Role.LIMIT) else _PEERS_SHARE)

    def pick(self, *, small: T, medium: T, large: T) -> T:
        """The value for this run's size."""
        return {"small": small, "medium": medium, "large": large}[self.size]

    def __enter__(self) -> World:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            Stack(self._home).down()
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def stack(self) -> dict[str, str]:
        """The settings by which jobs find this world's servers, which start when they are first asked for."""
        self._started = True
        return Stack(self._home).up().settings

    @cached_property
    def server(self) -> Database:
        """The maintenance database of this world's PostgreSQL."""
        assert self.stack
        return Database(Stack(self._home).cluster.connection())

    @cached_property
    def aws(self) -> Aws:
        """LocalStack's account."""
        return Aws(AwsAccess(region=_REGION, endpoint_url=self.stack["AWS_ENDPOINT_URL"]))

    def sample_database(self, rows: int) -> Database:
        """The sample database with `rows` users, orders and events; made once and kept."""
        database = self.server.sibling(f"sample_{rows}")
        platform.create(database, rows)
        return database

    def sample_dumps(self, database: Database) -> Path:
        """A folder with the database as plain.sql, plain.sql.gz and custom.dump; made once and kept."""
        folder = self._home / f"dumps-{database.name}"
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make = "pg_dump >plain.sql; pg_dump -Fc >custom.dump & gzip -k plain.sql; wait $!; touch whole"
            subprocess.run(["bash", "-ec", make], cwd=folder, env=self.environment(database), check=True)
        return folder

    def sample_lake(self, rows_per_day: int, first: date, last: date) -> Path:
        """A folder with generated orders and events of these days; made once and kept."""
        folder = self._home / f"lake-{rows_per_day}-{first}-{last}"
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
            generate(folder, Population(10_000, rows_per_day, 2025), ["orders", "events"], days, workers=2)
            (folder / "whole").touch()
        return folder

    def empty_database(self, name: str) -> Database:
        """A new database of this name, in the place of what was there."""
        database = self.server.sibling(name)
        database.drop()
        database.create()
        return database

    def bucket(self, purpose: str) -> Storage:
        """A new, empty bucket with the tag that makes it Shoreline's."""
        name = f"bench-{purpose}-{uuid.uuid4().hex[:8]}"
        self.aws.s3.create_bucket(Bucket=name)
        self.aws.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "project", "Value": "shoreline"}]})
        return Storage(self.aws, name)

    def put_all(self, bucket: str, objects: Sequence[tuple[str, bytes]]) -> None:
        """Puts objects over a few connections, without boto3's work for each."""
        host = urlsplit(self.stack["AWS_ENDPOINT_URL"]).netloc

        def put(share: Sequence[tuple[str, bytes]]) -> None:
            connection = HTTPConnection(host)
            for key, body in share:
                put_object(connection, bucket, key, body, len(body))
            connection.close()

        with ThreadPoolExecutor(_WRITERS) as writers:
            list(writers.map(put, (objects[first::_WRITERS] for first in range(_WRITERS))))

    def clear(self, storage: Storage, prefix: str = "") -> None:
        """Deletes the bucket's objects under `prefix`: LocalStack holds them in memory."""
        storage.delete(found.key for found in storage.objects(prefix))

    def shoreline(self, *arguments: object) -> list[str]:
        """`shoreline ARGUMENTS` as a command."""
        return [sys.executable, "-m", "jobs", *map(str, arguments)]

    def script(self, module: str, *arguments: object) -> list[str]:
        """A module of ours as a command, in Shoreline's own environment."""
        return [sys.executable, "-m", module, *map(str, arguments)]

    def peer_script(self, environment: str, name: str, *arguments: object) -> list[str]:
        """`benchmarks/peers/NAME.py` as a command, in a peer's environment."""
        return [
            self.peers.python(environment),
            str(PROJECT / "benchmarks" / "peers" / f"{name}.py"),
            *map(str, arguments),
        ]

    def environment(self, database: Database | None = None, **more: str) -> dict[str, str]:
        """The variables for a program that is not ours: PATH with the peers, PostgreSQL's, and LocalStack's."""
        stack = self.stack
        paths = [stack["PG_BIN"], *self.peers.paths(), os.environ.get("PATH", "")]
        own = {
            "PATH": os.pathsep.join(paths),
            "HOME": str(self.folder),
            "PYTHONPATH": str(PROJECT),
            "LC_ALL": "C.UTF-8",
            "AWS_ENDPOINT_URL": stack["AWS_ENDPOINT_URL"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": _REGION,
            "AWS_DEFAULT_REGION": _REGION,
            "S3_ENDPOINT_URL": stack["AWS_ENDPOINT_URL"],  # s5cmd's name for it
            "RCLONE_CONFIG_S3_TYPE": "s3",  # the remote `s3:` of rclone
            "RCLONE_CONFIG_S3_PROVIDER": "Other",
            "RCLONE_CONFIG_S3_ENDPOINT": stack["AWS_ENDPOINT_URL"],
            "RCLONE_CONFIG_S3_ACCESS_KEY_ID": "test",
            "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": "test",
        }
        if database is not None:
            own |= {name: value for name, value in database.connection.environment().items() if name.startswith("PG")}
        return own | more

    def settings(self, database: Database | None, storage: Storage | None, **more: str) -> dict[str, str]:
        """The variables of one of our jobs that works on this database and bucket and writes into `folder`."""
        own = {
            **self.environment(),
            **self.stack,
            "OUTPUT_DIR": str(self.folder / "output"),
            "RECEIPTS_DIR": str(self.folder / "receipts"),
            "BUCKET": storage.bucket if storage else "bench-none",
        }
        if database is not None:
            own["PGDATABASE"] = database.name
        return own | more

    def anonymous(self, text: str) -> str:
        """A command without this machine's folders."""
        home = os.environ.get("HOME", "~")
        for path, short in ((sys.executable, "python"), (str(PROJECT), "."), (home, "~")):
            text = text.replace(path, short)
        return text

    def described(self) -> Mapping[str, str]:
        """The versions of what the figures depend on."""
        from importlib.metadata import version

        packages = ("shoreline", "boto3", "duckdb", "polars", "pyarrow", "psycopg2-binary", "isal")
        found = {name: version(name) for name in packages}
        found["postgresql"] = str(self.server.version()) if self._started else "not used"
        return found
