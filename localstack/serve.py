"""Starts LocalStack so that it keeps to itself.

LocalStack 4.13 binds every IPv4 interface, whatever GATEWAY_LISTEN says (a TODO in its own Twisted server), which would
offer the bucket to the whole network; and it stores objects under one folder of /tmp that all LocalStacks of a machine
share, where one that deletes a bucket takes the files of another's bucket of the same name along.
"""

import os
import tempfile
from functools import partial

from twisted.internet import endpoints

endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")

from localstack.runtime.main import main  # noqa: E402
from localstack.services.s3 import provider  # noqa: E402

provider.DEFAULT_S3_TMP_DIR = os.path.join(tempfile.gettempdir(), "s3-storage")  # noqa: PTH118

main()
