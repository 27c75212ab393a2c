"""The store's own write speed with the simplest client: every file below a folder by one PUT, on a few connections.

python -m benchmarks.inside.put FOLDER BUCKET PREFIX
"""

from __future__ import annotations

import http.client
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit

_CONNECTIONS = 4


def put_object(
    connection: http.client.HTTPConnection, bucket: str, key: str, body: bytes | IO[bytes], size: int
) -> None:
    """Puts one object, without a signature: LocalStack asks for none. Raises OSError for any answer but 200."""
    connection.request("PUT", f"/{bucket}/{quote(key)}", body, {"Content-Length": str(size)})
    answer = connection.getresponse()
    answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise OSError(f"{key}: {answer.status}")


def main() -> None:
    """Sends the files."""
    folder, bucket, prefix = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    host = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
    own = threading.local()

    def put(path: Path) -> None:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(host)
        with path.open("rb") as body:
            put_object(own.connection, bucket, f"{prefix}/{path.relative_to(folder)}", body, path.stat().st_size)

    with ThreadPoolExecutor(_CONNECTIONS) as senders:
        list(senders.map(put, sorted(path for path in folder.rglob("*") if path.is_file())))


if __name__ == "__main__":
    main()
