"""Runs many calls concurrently, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
WORKERS = 16


def each(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the results of `work(item)` in order, with at most twice WORKERS calls outstanding.

    Raises the first exception; calls that have not started by then are cancelled.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="side-by-side")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
