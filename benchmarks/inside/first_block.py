"""Seconds from a process's start to the first compressed block of a backup. The rest of the dump is not taken."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing

import psutil

from benchmarks.inside.stream import dump_of_settings


def main() -> None:
    """Takes one block."""
    with closing(dump_of_settings().blocks()) as blocks:
        next(blocks)
        seconds = time.time() - psutil.Process(os.getpid()).create_time()
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
