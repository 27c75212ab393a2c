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
from datetime import timedelta
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from services import formatting
from services.backups.naming import LEASE
from services.bounds import Count, Moment, ShortText, first_fault
from services.costs.budget import releasing
from services.errors import Busy, ShorelineError, StorageError
from services.s3.objects import ObjectWithAge, PreconditionFailed, Storage

DEFAULT_SECONDS = 60.0
_RENEWALS = 4  # while the lease lasts
_LAST_WAIT = 5  # seconds for a renewal that is under way when the lease is released
_LOOKS = 20  # at another's lease while it may yet be renewed
_LONGEST_PAUSE = 3  # seconds between two looks
_TRIES = 10  # to take a free lease, each of which another run or the store may spoil
_MOST_BYTES = 10_000  # of a lease


@dataclass(frozen=True)
class LeaseHolder:
    """What the lease says: who has it, since when, for how long after each renewal. `token` grows with each holder."""

    job: ShortText
    host: ShortText
    run_id: ShortText
    since: Moment
    seconds: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
    token: Count = 1
    renewals: Count = 0
    released: bool = False

    def __str__(self) -> str:
        return f"{self.job} (run {self.run_id} on {self.host}), since {formatting.moment(self.since)}"


_HOLDER = TypeAdapter(LeaseHolder)


def lease_key(prefix: str) -> str:
    """Where the lease of the backups under `prefix` lies."""
    return f"{prefix}/{LEASE}"


class Lease:
    """A lease that this run holds. Made by `hold`."""

    def __init__(self, storage: Storage, key: str, holder: LeaseHolder, etag: str) -> None:
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

    def _write(self, holder: LeaseHolder) -> None:
        try:
            self._etag = self._storage.put(
                self._key, _HOLDER.dump_json(holder), content_type="application/json", only_if_etag=self._etag
            )
        except StorageError as error:
            self._etag = self._own_write(holder, error)
        self.holder = holder

    def _own_write(self, wanted: LeaseHolder, error: StorageError) -> str:
        """The ETag of what a request that was repeated had written before. Raises Busy when it is another's."""
        found = self._storage.stamped(self._key, max_bytes=_MOST_BYTES)
        holder = _read(found)
        if found is None or holder != wanted:
            taker = "nobody: it is gone" if found is None else holder or "what is not a readable lease"
            raise Busy(f"The lease was lost to {taker}.") from error
        return found.etag

    def _keep(self) -> None:
        while not self._over.wait(self.holder.seconds / _RENEWALS):
            with self._lock, suppress(ShorelineError):  # `check` will tell; a store that is away may be back by then
                if not self._over.is_set():
                    self._write(replace(self.holder, renewals=self.holder.renewals + 1))


@contextmanager
def hold(
    storage: Storage, key: str, wanted: LeaseHolder, say: Callable[[str], None] = lambda _: None
) -> Iterator[Lease]:
    """Takes the lease, keeps it alive in the background, and releases it at the end.

    Waits for a holder that does not renew it any more, as long as its lease lasts. Raises Busy, which says who holds
    it and since when, as soon as that one shows that it is alive.
    """
    lease = _take(storage, key, wanted, say)
    try:
        yield lease
    finally:
        lease.release()


def _take(storage: Storage, key: str, wanted: LeaseHolder, say: Callable[[str], None]) -> Lease:
    seen: str | None = None
    tries = 0
    while True:
        found = storage.stamped(key, max_bytes=_MOST_BYTES)
        holder = _read(found)
        if found is not None and holder is None and seen is None:
            _warn(storage, key, found)
        if found is None or _is_free(found, holder, wanted.seconds):
            token = holder.token + 1 if holder else 1
            lease = _try(storage, key, replace(wanted, token=token), found)
            if lease is not None:
                return lease
            tries += 1
            if tries == _TRIES:
                raise Busy(
                    f"{storage.url(key)} could not be written in {tries} tries, each time as if another run had.",
                    next_step="Wait for other runs to end. If none runs, the store lacks conditional writes.",
                )
            time.sleep(min(wanted.seconds / _LOOKS, _LONGEST_PAUSE))
            continue
        shown = holder or f"what wrote {storage.url(key)} (not a readable lease)"
        if seen not in (None, found.etag):
            raise Busy(f"Busy: {shown}.")
        if seen is None:
            seconds = holder.seconds if holder else wanted.seconds
            limit = f"; {formatting.seconds(seconds)} at most" if seconds > 2 * DEFAULT_SECONDS else ""
            say(f"waiting: the lease is held by {shown}{limit}")
            seen = found.etag
        time.sleep(min((holder or wanted).seconds / _LOOKS, _LONGEST_PAUSE))


def _try(storage: Storage, key: str, wanted: LeaseHolder, found: ObjectWithAge | None) -> Lease | None:
    """Takes a lease that is free, or gives None when someone else was faster."""
    try:
        etag = storage.put(
            key,
            _HOLDER.dump_json(wanted),
            content_type="application/json",
            only_if_absent=found is None,
            only_if_etag=found.etag if found else None,
        )
    except PreconditionFailed:
        now = storage.stamped(key, max_bytes=_MOST_BYTES)
        if now is None or _read(now) != wanted:
            return None
        etag = now.etag
    return Lease(storage, key, wanted, etag)


def _read(found: ObjectWithAge | None) -> LeaseHolder | None:
    """What the lease says; None when there is none, or it is not a readable lease."""
    if found is None:
        return None
    try:
        return _HOLDER.validate_json(found.body)
    except ValidationError:
        return None


def _warn(storage: Storage, key: str, found: ObjectWithAge) -> None:
    from loguru import logger  # which costs the start of every run, for what hardly ever happens

    try:
        _HOLDER.validate_json(found.body)
    except ValidationError as error:
        logger.warning("{} is not a readable lease and counts as none: {}", storage.url(key), first_fault(error))


def _is_free(found: ObjectWithAge, holder: LeaseHolder | None, patience: float) -> bool:
    """Whether nobody holds the lease any more.

    One that cannot be read may be of a later version, which renews it: it is free when it was not written for
    `patience` seconds by the store's clock. Its holder would learn so before it commits anything.
    """
    if holder is None:
        return found.age > timedelta(seconds=patience)
    return holder.released or found.age > timedelta(seconds=holder.seconds)


def current(storage: Storage, prefix: str) -> str | None:
    """Who holds the lease now, in words, or None."""
    found = storage.stamped(lease_key(prefix), max_bytes=_MOST_BYTES)
    holder = _read(found)
    if found is None:
        return None
    if holder is None:
        _warn(storage, lease_key(prefix), found)
        return None
    return None if _is_free(found, holder, DEFAULT_SECONDS) else str(holder)


def is_lease_of_others(storage: Storage, key: str, *, has_backups: bool) -> bool:
    """Whether an object below our prefix makes its folder the prefix of other runs.

    It does where it is a readable lease and the folder has backups, or a run holds it that has not committed one yet.
    """
    found = storage.stamped(key, max_bytes=_MOST_BYTES)
    if found is None:
        return False
    holder = _read(found)
    if holder is None:
        _warn(storage, key, found)
        return False
    return has_backups or not _is_free(found, holder, DEFAULT_SECONDS)
