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
from urllib.parse import quote, urlsplit

_CONNECTIONS = 4


def main() -> None:
    """Sends the files. LocalStack asks for no signature."""
    folder, bucket, prefix = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    host = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
    own = threading.local()

    def put(path: Path) -> None:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(host)
        with path.open("rb") as body:
            key = quote(f"{prefix}/{path.relative_to(folder)}")
            own.connection.request("PUT", f"/{bucket}/{key}", body, {"Content-Length": str(path.stat().st_size)})
            answer = own.connection.getresponse()
            answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"{path.name}: {answer.status}")

    with ThreadPoolExecutor(_CONNECTIONS) as senders:
        list(senders.map(put, sorted(path for path in folder.rglob("*") if path.is_file())))


if __name__ == "__main__":
    main()
