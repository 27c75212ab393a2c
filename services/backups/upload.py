"""A stream of unknown length as one object: all of it, checked by S3, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from io import BytesIO

from services import formatting
from services.backups.stream import Digest
from services.costs.budget import releasing
from services.errors import BackupFailed, ShorelineError
from services.s3.multipart import MultipartUpload, PartPlan
from services.s3.objects import PreconditionFailed, Storage

_OWNER = "run"  # the object's metadata that names the run
_AT_ONCE = 4  # parts on their way
_IN_FLIGHT = 32 << 20  # bytes on their way, unless one part alone is larger
_LAST_WAIT = 5  # seconds for parts that are on their way when the upload is given up


def upload(
    storage: Storage,
    key: str,
    blocks: Iterable[bytes],
    *,
    digest: Digest,
    plan: PartPlan,
    owner: str,
) -> None:
    """Writes the stream as the object `key`, which must not exist.

    Nothing is visible before all of it is there and S3 has found its CRC-32 to be that of `digest`, which watches the
    blocks. An exception, from the stream or from S3, takes back what was sent. `owner` marks the object as this run's:
    a request that was repeated may meet what it wrote itself. Raises BackupFailed when the key was there.
    """
    metadata = {_OWNER: owner}
    parts = _cut(blocks, plan)
    first = [next(parts, b"")]
    try:
        if len(first[0]) < plan.size(1):  # all of it: one request does
            storage.put(key, first.pop(), metadata=metadata, only_if_absent=True)
        else:
            _upload_parts(storage, key, _chain(first, parts), digest, plan, metadata)
    except PreconditionFailed as error:
        stored = storage.head(key)
        if stored is None or stored.metadata.get(_OWNER) != owner:
            raise BackupFailed(f"The upload was ended by someone else: {error}") from error
    _confirm(storage, key, digest)


def _upload_parts(
    storage: Storage,
    key: str,
    parts: Iterable[bytes],
    digest: Digest,
    plan: PartPlan,
    metadata: Mapping[str, str],
) -> None:
    upload = storage.start_upload(key, metadata=metadata, content_type="application/octet-stream")
    sending = _Sending(upload)
    try:
        for part in parts:
            if sending.count == plan.most:
                raise BackupFailed(f"The dump does not fit in {plan.most:,} parts, {formatting.size(plan.capacity)}.")
            sending.send(part)
        etags = sending.finish()
        upload.complete(etags, crc32=digest.crc32, only_if_absent=True)
    except BaseException:
        sending.give_up()
        raise


def _chain(first: list[bytes], parts: Iterator[bytes]) -> Iterator[bytes]:
    """All parts. Empties `first`, so that nothing holds that part longer than its upload takes."""
    yield first.pop()
    yield from parts


def _confirm(storage: Storage, key: str, digest: Digest) -> None:
    stored = storage.head(key)
    if stored is None or stored.size != digest.bytes:
        found = "nothing" if stored is None else f"{stored.size:,} bytes"
        raise BackupFailed(f"{storage.url(key)} should have {digest.bytes:,} bytes, and S3 holds {found}.")


def _cut(blocks: Iterable[bytes], plan: PartPlan) -> Iterator[bytes]:
    """The stream in parts of the planned sizes; the last may be smaller. Memory holds a part once."""
    number, part = 1, BytesIO()
    for block in blocks:
        rest = memoryview(block)
        while len(rest) >= (missing := plan.size(number) - part.tell()):
            part.write(rest[:missing])
            rest = rest[missing:]
            yield part.getvalue()  # shares the buffer
            number, part = number + 1, BytesIO()
        part.write(rest)
    if part.tell():
        yield part.getvalue()


class _Sending:
    """Parts on their way to S3."""

    def __init__(self, upload: MultipartUpload) -> None:
        self._upload = upload
        self._senders = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="part")
        self._under_way: dict[Future[str], int] = {}
        self._etags: list[Future[str]] = []

    @property
    def count(self) -> int:
        """Parts that were sent or are on their way."""
        return len(self._etags)

    def send(self, part: bytes) -> None:
        """Sends a part once there is room for it. Raises what an earlier part met."""
        while self._under_way and (
            len(self._under_way) >= _AT_ONCE or sum(self._under_way.values()) + len(part) > _IN_FLIGHT
        ):
            self._collect()
        future = self._senders.submit(self._upload.send, self.count + 1, part)
        self._under_way[future] = len(part)
        self._etags.append(future)

    def finish(self) -> list[str]:
        """The ETags of all parts, once they are there."""
        while self._under_way:
            self._collect()
        self._senders.shutdown()
        return [future.result() for future in self._etags]

    def give_up(self) -> None:
        """Takes back what was sent. S3 asks to do so again when parts were on their way; the next run does, too."""
        self._senders.shutdown(wait=False, cancel_futures=True)
        for _ in range(2):
            with releasing(), suppress(ShorelineError):
                self._upload.abort()
            if not any(future.running() for future in self._under_way):
                return
            wait(self._under_way, timeout=_LAST_WAIT)

    def _collect(self) -> None:
        done, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
        for future in done:
            del self._under_way[future]
            future.result()
