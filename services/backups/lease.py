"""One at a time: a lease in the bucket, so that two hosts do not trip over each other.

The lease is one small object, written with conditional requests only. Its holder writes it anew again and again; when
that has stopped for as long as the lease says, the next run takes it over, with a higher token. All ages are by the
store's clock, so that it does not matter what the hosts think the time is. `check` asks the store: a holder that was
asleep for too long learns there that it is none any more, before it commits or deletes anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from services import human
from services.backups.naming import LEASE
from services.costs.budget import releasing
from services.errors import Busy, ShorelineError, StorageError
from services.storage import KeyTaken, Stamped, Storage

DEFAULT_SECONDS = 60.0
_RENEWALS = 4  # while the lease lasts
_LAST_WAIT = 5  # seconds for a renewal that is under way when the lease is released
_LOOKS = 20  # at another's lease while it may yet be renewed


@dataclass(frozen=True)
class Holder:
    """What the lease says: who has it, since when, for how long after each renewal. `token` grows with each holder."""

    job: str
    host: str
    run_id: str
    since: datetime
    seconds: float
    token: int = 1
    renewals: int = 0
    released: bool = False

    def __str__(self) -> str:
        return f"{self.job} (run {self.run_id} on {self.host}), since {human.moment(self.since)}"


_HOLDER = TypeAdapter(Holder)


def lease_key(prefix: str) -> str:
    """Where the lease of the backups under `prefix` lies."""
    return f"{prefix}/{LEASE}"


class Lease:
    """A lease that this run holds. Made by `hold`."""

    def __init__(self, storage: Storage, key: str, holder: Holder, etag: str) -> None:
        self.holder = holder
        self._storage = storage
        self._key = key
        self._etag = etag
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True, name="lease")
        self._keeper.start()

    @property
    def key(self) -> str:
        """Where the lease lies in the bucket."""
        return self._key

    @property
    def token(self) -> int:
        """A number that grows with each holder."""
        return self.holder.token

    def check(self) -> None:
        """Renews the lease. Raises Busy when another run has taken it meanwhile."""
        with self._lock:
            self._write(replace(self.holder, renewals=self.holder.renewals + 1))

    def release(self) -> None:
        """Ends the lease, so that the next run need not wait."""
        self._over.set()
        if not self._lock.acquire(timeout=_LAST_WAIT):
            return  # the store does not answer; the next run waits a little, that is all
        try:
            with releasing(), suppress(ShorelineError):
                self._write(replace(self.holder, released=True))
        finally:
            self._lock.release()

    def _write(self, holder: Holder) -> None:
        try:
            self._etag = self._storage.put(
                self._key, _HOLDER.dump_json(holder), content_type="application/json", only_if_etag=self._etag
            )
        except StorageError as error:
            self._etag = self._own_write(holder, error)
        self.holder = holder

    def _own_write(self, wanted: Holder, error: StorageError) -> str:
        """The ETag of what a request that was repeated had written before. Raises Busy when it is another's."""
        found = self._storage.stamped(self._key)
        holder = _read(found)
        if found is None or holder != wanted:
            raise Busy(f"The lease was lost to {holder or 'nobody: it is gone'}.") from error
        return found.etag

    def _keep(self) -> None:
        while not self._over.wait(self.holder.seconds / _RENEWALS):
            with self._lock, suppress(ShorelineError):  # `check` will tell; a store that is away may be back by then
                if not self._over.is_set():
                    self._write(replace(self.holder, renewals=self.holder.renewals + 1))


@contextmanager
def hold(storage: Storage, key: str, wanted: Holder, say: Callable[[str], None] = lambda _: None) -> Iterator[Lease]:
    """Takes the lease, keeps it alive in the background, and releases it at the end.

    Waits for a holder that does not renew it any more, as long as its lease lasts. Raises Busy, which says who holds
    it and since when, as soon as that one shows that it is alive.
    """
    lease = _take(storage, key, wanted, say)
    try:
        yield lease
    finally:
        lease.release()


def _take(storage: Storage, key: str, wanted: Holder, say: Callable[[str], None]) -> Lease:
    seen: str | None = None
    while True:
        found = storage.stamped(key)
        holder = _read(found)
        if found is None or holder is None or holder.released or found.age > timedelta(seconds=holder.seconds):
            token = holder.token + 1 if holder else 1
            lease = _try(storage, key, replace(wanted, token=token), found)
            if lease is not None:
                return lease
            continue
        if seen not in (None, found.etag):
            raise Busy(f"Busy: {holder}.")
        if seen is None:
            say(f"waiting: the lease is held by {holder}")
            seen = found.etag
        time.sleep(holder.seconds / _LOOKS)


def _try(storage: Storage, key: str, wanted: Holder, found: Stamped | None) -> Lease | None:
    """Takes a lease that is free, or gives None when someone else was faster."""
    try:
        etag = storage.put(
            key,
            _HOLDER.dump_json(wanted),
            content_type="application/json",
            only_if_absent=found is None,
            only_if_etag=found.etag if found else None,
        )
    except KeyTaken:
        now = storage.stamped(key)
        if now is None or _read(now) != wanted:
            return None
        etag = now.etag
    return Lease(storage, key, wanted, etag)


def _read(found: Stamped | None) -> Holder | None:
    """What the lease says; None when there is none, or it is no lease."""
    if found is None:
        return None
    try:
        return _HOLDER.validate_json(found.body)
    except ValidationError:
        return None


def current(storage: Storage, prefix: str) -> str | None:
    """Who holds the lease now, in words, or None."""
    found = storage.stamped(lease_key(prefix))
    holder = _read(found)
    if found is None or holder is None or holder.released or found.age > timedelta(seconds=holder.seconds):
        return None
    return str(holder)
