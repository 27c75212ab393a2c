"""A password that is planted wherever one can be given is in nothing that is written, shown or listed."""

from __future__ import annotations

import gzip
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyrage
import pytest

from services.local.stack import PROJECT
from services.postgres.client import Database
from services.s3.objects import Storage
from services.settings.load import secret_names
from tests.conftest import Outcome, Shoreline

JOBS = (
    "setup", "backup", "drill", "restore --latest --into {restored}", "generate", "upload", "preflight backup", "iam",
    "audit", "cleanup --dry-run",
)  # fmt: skip
_NOWHERE = "127.0.0.1:9"


class Search:
    """Gathers what is written and tells where a planted secret stands."""

    def __init__(self, planted: Mapping[str, str]) -> None:
        self._planted = {name: value.encode() for name, value in planted.items()}
        self.found: list[str] = []
        self.searched = 0

    def look(self, where: str, content: bytes) -> None:
        """Search one text, and what it unpacks to."""
        self.searched += 1
        if content.startswith(b"\x1f\x8b"):
            content += gzip.decompress(content)
        self.found += [f"{name} in {where}" for name, value in self._planted.items() if value in content]

    def look_at(self, outcome: Outcome, job: str) -> None:
        """Search what a job printed."""
        self.look(f"the output of {job}", outcome.output.encode())
        self.look(f"the errors of {job}", outcome.errors.encode())

    @contextmanager
    def watching_processes(self) -> Iterator[None]:
        """Search the command line of every process of the machine, again and again."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.05):
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    try:
                        self.look("a command line", path.read_bytes())
                    except OSError:  # it has ended
                        continue

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


@pytest.fixture
def planted(tmp_path: Path) -> dict[str, str]:
    """Every variable that takes a secret, with one; the value to search for is in each."""
    word = f"pl4nted-{uuid.uuid4().hex}"
    identity = pyrage.x25519.Identity.generate()
    found = {
        "PGPASSWORD": f"{word}-pg'\"\\%s{{}}",
        "DRILL_PASSWORD": f"{word}-drill'\"\\%s{{}}",
        "AWS_SECRET_ACCESS_KEY": f"{word}-aws",
        "AWS_SESSION_TOKEN": f"{word}-token",
        "BACKUP_AGE_IDENTITY": str(identity),
        "NOTIFY_URLS": f"json://user:{word}-notify@{_NOWHERE}/",
        "PING_URL": f"http://{_NOWHERE}/{word}-ping",
        "PUSHGATEWAY_URL": f"http://user:{word}-push@{_NOWHERE}",
    }
    found["DRILL_PASSWORD"] = found["PGPASSWORD"]  # drills use the same server here
    assert set(found) == set(secret_names()), "plant the new secret here, too"
    return found | {"BACKUP_AGE_RECIPIENTS": str(identity.to_public())}


@pytest.fixture
def user(database: Database, planted: dict[str, str]) -> Iterator[str]:
    """A superuser of PostgreSQL with the planted password; the one of drills has `_drill` after its name."""
    name = f"planted_{uuid.uuid4().hex[:8]}"
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD %s", (planted["PGPASSWORD"],))
        cursor.execute(f"CREATE ROLE {name}_drill SUPERUSER LOGIN PASSWORD %s", (planted["DRILL_PASSWORD"],))
        cursor.execute("CREATE TABLE t AS SELECT 1 AS a")
    yield name
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"REASSIGN OWNED BY {name} TO postgres; DROP OWNED BY {name}; DROP ROLE {name}, {name}_drill")


def test_the_search_finds_what_it_looks_for() -> None:
    search = Search({"PGPASSWORD": "planted"})
    search.look("a text", b"password=planted")
    search.look("a dump", gzip.compress(b"password=planted"))
    search.look("another text", b"password=***")
    assert search.found == ["PGPASSWORD in a text", "PGPASSWORD in a dump"]


def test_images_are_built_without_the_files_that_hold_secrets() -> None:
    rules = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in rules, "everything is out but what is named"
    assert not [rule for rule in rules if rule.startswith("!") and ("env" in rule or "secret" in rule)]
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    assert not [name for name in secret_names() if name in dockerfile]


def test_no_secret_is_in_logs_receipts_manifests_objects_or_command_lines(
    shoreline: Shoreline,
    storage: Storage,
    database: Database,
    user: str,
    planted: dict[str, str],
    tmp_path: Path,
) -> None:
    search = Search({name: planted[name] for name in secret_names()})
    restored = f"{database.name}_restored"
    env = {
        **planted,
        "PGUSER": user,
        "DRILL_USER": f"{user}_drill",
        "AWS_ACCESS_KEY_ID": "AKIAPLANTED",
        "LOG_LEVEL": "DEBUG",
        "METRICS_FILE": "m.prom",
    }
    with search.watching_processes():
        for number, job in enumerate(JOBS):
            style = {"LOG_FORMAT": "json" if number % 2 else "text"}
            outcome = shoreline(*job.format(restored=restored).split(), env={**env, **style}, fresh=True)
            assert outcome.exit_code == 0, f"{job}: {outcome.errors}"
            search.look_at(outcome, job)
        for wrong in ({"DRILL_USER": "nobody_knows_me"}, {"DRILL_HOST": ""}, {"DRILL_PORT": "9"}):
            outcome = shoreline("drill", env={**env, **wrong}, fresh=True)
            assert outcome.exit_code != 0, wrong
            search.look_at(outcome, f"drill with {wrong}")
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        search.look(str(path), path.read_bytes())
    for stored in storage.objects(""):
        search.look(stored.key, storage.read(stored.key) or b"")
        head = storage.head(stored.key)
        search.look(f"the metadata of {stored.key}", repr(head).encode())
    database.sibling(restored).drop()
    assert not search.found
    assert search.searched > 500


@pytest.mark.parametrize(
    ("job", "wrong"),
    [
        ("backup", {"PGUSER": "nobody_knows_me"}),
        ("backup", {"PGHOST": "127.0.0.1", "PGPORT": "9"}),
        ("backup", {"BUCKET": "no-such-bucket-here"}),
        ("upload", {"AWS_ENDPOINT_URL": f"http://{_NOWHERE}"}),
        ("cleanup --yes", {"AWS_EXPECTED_ACCOUNT_ID": "123123123123"}),
        ("backup", {"BACKUP_KEEP_DAYS": "seven", "PGSSLMODE": "perhaps"}),
        ("backup", {"PGPASSWORD_FILE": "/does/not/exist"}),
        ("drill", {"BACKUP_AGE_IDENTITY": "AGE-SECRET-KEY-1NOTREALLY"}),
    ],
)
@pytest.mark.usefixtures("database")
def test_no_secret_is_in_the_message_of_a_failure(
    shoreline: Shoreline, storage: Storage, planted: dict[str, str], tmp_path: Path, job: str, wrong: dict[str, str]
) -> None:
    env = {**planted, **wrong, "LOG_LEVEL": "DEBUG"}
    search = Search({name: env[name] for name in secret_names()})
    outcome = shoreline(*job.split(), env=env)
    assert outcome.exit_code != 0
    assert "Traceback" not in outcome.errors
    search.look_at(outcome, job)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        search.look(str(path), path.read_bytes())
    assert not search.found
