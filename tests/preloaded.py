"""Imports and reads whatever a job does when it is run, so that a process forked from this one need not."""

import functools
import importlib
import pkgutil

from botocore.loaders import JSONFileLoader

import jobs
import services
import tests.conftest  # noqa: F401
from services.s3.client import Aws, AwsAccess

for _package in (jobs, services):
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        if not _module.name.endswith("__main__"):
            importlib.import_module(_module.name)

# botocore's descriptions of the services: a quarter of the time of a job that asks S3 one thing
_read = functools.cache(JSONFileLoader().load_file)
JSONFileLoader.load_file = lambda _, path: _read(path)  # type: ignore[assignment, method-assign]
for _service in ("s3", "sts", "glue", "athena"):
    Aws(AwsAccess(region="us-east-1", endpoint_url="http://127.0.0.1:9")).client(_service)
