"""Looks again, by calls of its own and on connections of its own, at everything that was to go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from services import human
from services.aws import Aws
from services.cleanup.items import Action
from services.cleanup.looks import Look, Looks
from services.cleanup.output import LocalFiles, look_at_output, look_at_receipts
from services.cleanup.plan import Entries, Plan
from services.cleanup.removal import Removed
from services.cleanup.scope import Scope
from services.database import Database
from services.errors import ShorelineError

PATIENCE = 30.0  # seconds for what AWS removes in its own time
_ABSENT = "not there"  # what was done with a resource that the plan had not found either


class Verdict(StrEnum):
    """What the look found: GONE and KEPT are as planned; LEFT, UNKNOWN and CONTRADICTED fail the cleanup."""

    GONE = "gone"
    KEPT = "kept"
    LEFT = "LEFT"
    UNKNOWN = "UNKNOWN"
    CONTRADICTED = "CONTRADICTED"  # not there, and the removal did not remove as much as the plan had found


@dataclass(frozen=True)
class Check:
    """One line of the proof: a resource, what was done with it, how that was verified, and what was found."""

    resource: str
    action: str
    verified: str
    verdict: Verdict
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether what was found is what was planned."""
        return self.verdict in {Verdict.GONE, Verdict.KEPT}


class Proof:
    """The second look.

    S3's listings are consistent at once; a deleted bucket may answer for a while yet, and Glue removes things in its
    own time: a check of these is repeated until it finds nothing, all of them together for at most `patience` seconds.
    What the removal could not remove is looked at once: give no patience then.
    Source: Amazon S3 User Guide, "Amazon S3 data consistency model".
    """

    def __init__(
        self,
        aws: Aws,
        server: Database,
        scope: Scope,
        plan: Plan,
        removed: Removed,
        *,
        whole_account: bool,
        patience: float = PATIENCE,
    ) -> None:
        self._looks = Looks(aws, scope, plan.bucket)
        self._server = server
        self._plan = plan
        self._removed = removed
        self._whole_account = whole_account
        self._deadline = time.monotonic() + patience

    def checks(self) -> list[Check]:
        """Every line of the proof. A look that fails is a line of its own: it never counts as gone."""
        return [*self._catalog(), *self._areas(), *self._bucket(), *self._scratch(), *self._local()]

    def _catalog(self) -> Iterator[Check]:
        found = self._plan.catalog
        if found is None:
            return
        for table in found.tables:
            look = partial(self._looks.table, found.database, table.name)
            yield self._check(f"table {found.database}.{table.name}", "dropped", look, may_linger=True)
        whole = (
            ("Athena database", found.database, found.database_exists, found.remove_database, self._looks.database),
            (
                "Athena workgroup",
                found.workgroup,
                found.workgroup_exists,
                found.remove_workgroup,
                self._looks.workgroup,
            ),
        )
        for kind, name, existed, goes, look_at in whole:
            if existed and not goes:
                yield self._kept(f"{kind} {name}")
            else:
                action = "dropped" if existed else _ABSENT
                yield self._check(f"{kind} {name}", action, partial(look_at, name), may_linger=existed)

    def _areas(self) -> Iterator[Check]:
        for area in self._plan.areas:
            action = _ABSENT if area in self._plan.empty_areas else "deleted"
            check = self._check(f"objects {area.prefix}", action, partial(self._looks.area, area), may_linger=False)
            planned = self._plan.expected.get(area.prefix, Entries())
            gone = self._removed.areas.get(area.prefix, Entries())
            check = _agreed(check, planned.versions, gone.versions, "version or marker", "versions and markers")
            yield _agreed(check, planned.uploads, gone.uploads, "unfinished upload")
        for area in self._plan.kept_areas:
            yield Check(f"objects {area.prefix}", "kept", "not touched", Verdict.KEPT)

    def _bucket(self) -> Iterator[Check]:
        name = f"bucket {self._plan.bucket}"
        if self._plan.remove_bucket or not self._plan.bucket_exists:
            action = "deleted" if self._plan.bucket_exists else _ABSENT
            yield self._check(name, action, self._looks.bucket, may_linger=self._removed.bucket)
        else:
            yield self._kept(name)
        if self._plan.take_settings:
            yield self._check(f"settings of {self._plan.bucket}", "taken off", self._looks.settings, may_linger=False)
        if self._whole_account:
            yield self._tagged()

    def _tagged(self) -> Check:
        """Nothing is left under the project's tag; other buckets that carry it are named, and not touched."""
        name = "tag project=shoreline"
        try:
            found = self._looks.tagged_buckets()
        except ShorelineError as error:
            return Check(name, "searched", "could not be looked at", Verdict.UNKNOWN, str(error))
        how = "ListBuckets, GetBucketTagging"
        stays = self._plan.bucket in found and self._plan.bucket_exists and not self._plan.remove_bucket
        if self._plan.bucket in found and (not stays or self._plan.take_settings):
            return Check(name, "searched", how, Verdict.LEFT, self._plan.bucket)
        if found:
            return Check(name, "searched", f"{how}: on {', '.join(found)}, not touched", Verdict.KEPT)
        return Check(name, "searched", f"{how}: on no bucket", Verdict.GONE)

    def _scratch(self) -> Iterator[Check]:
        for name in self._plan.scratch or ():
            look = partial(_look_at_database, self._server.sibling(name))
            check = self._check(f"scratch database {name}", "dropped", look, may_linger=False)
            yield _agreed(check, 1, self._removed.scratch.count(name), "database")

    def _local(self) -> Iterator[Check]:
        yield self._local_check(self._plan.output, look_at_output)
        if self._plan.receipts is not None:
            yield self._local_check(self._plan.receipts, look_at_receipts)

    def _local_check(self, planned: LocalFiles, look: Callable[[Path], LocalFiles]) -> Check:
        gone = self._removed.files.get(str(planned.folder), 0)
        return _agreed(_local_check(planned, look), planned.files, gone, "file")

    def _kept(self, resource: str) -> Check:
        why: Iterable[str] = (
            item.reason for item in self._plan.items if item.resource == resource and item.action is Action.KEEP
        )
        return Check(resource, "kept", next(iter(why)), Verdict.KEPT)

    def _check(self, resource: str, action: str, look: Callable[[], Look], *, may_linger: bool) -> Check:
        """Looks until nothing is left or patience ends; the last look is the one that counts."""
        pause = 0.1
        while True:
            try:
                seen = look()
            except ShorelineError as error:
                return Check(resource, action, "could not be looked at", Verdict.UNKNOWN, str(error))
            if not seen.count:
                return Check(resource, action, seen.verified, Verdict.GONE)
            if time.monotonic() >= self._deadline or not may_linger:
                return Check(resource, action, seen.verified, Verdict.LEFT, seen.detail)
            time.sleep(pause)
            pause = min(2 * pause, 5)


def _agreed(check: Check, planned: int, removed: int, thing: str, things: str = "") -> Check:
    """The check, unless it found nothing left where less was removed than the plan had found: one of them is wrong."""
    if check.verdict is not Verdict.GONE or removed >= planned:
        return check
    what = f"the plan found {human.count(planned, thing, things)}, {removed:,} of them removed, and none is listed now"
    return replace(check, verdict=Verdict.CONTRADICTED, detail=what)


def _look_at_database(database: Database) -> Look:
    return Look("pg_database: no such row", int(database.exists()), "the database is still there")


def _local_check(planned: LocalFiles, look: Callable[[Path], LocalFiles]) -> Check:
    resource, action = f"local {planned.folder}/", "deleted" if planned.files else _ABSENT
    try:
        found = look(planned.folder)
    except OSError as error:
        return Check(resource, action, "could not be looked at", Verdict.UNKNOWN, f"{error.filename}: {error.strerror}")
    if found.files:
        return Check(resource, action, "listed again", Verdict.LEFT, human.count(found.files, "file"))
    if not found.folder.exists():
        return Check(resource, action, "no such folder", Verdict.GONE)
    left = "only other files there" if found.others else "no files there, the folder stays"
    return Check(resource, action, left, Verdict.GONE)
