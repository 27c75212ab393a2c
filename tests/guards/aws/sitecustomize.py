"""Python imports this before a program begins, when this folder is first on PYTHONPATH: AWS_STAND_IN answers for AWS.

Only a client that was given no endpoint goes there, as it would go to AWS: no setting of Shoreline's can do that.
"""

import os
from typing import Any

import botocore.session

_create = botocore.session.Session.create_client


def _create_client(self: botocore.session.Session, *arguments: Any, **options: Any) -> Any:
    options["endpoint_url"] = options.get("endpoint_url") or os.environ["AWS_STAND_IN"]
    return _create(self, *arguments, **options)


botocore.session.Session.create_client = _create_client  # type: ignore[method-assign]
