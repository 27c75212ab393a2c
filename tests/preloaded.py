"""Imports and reads whatever a job does when it is run, so that a process forked from this one need not."""

import gc
import importlib
import pkgutil

from loguru._better_exceptions import ExceptionFormatter

import jobs
import services
import tests.conftest  # noqa: F401
from services.s3.client import Aws, AwsAccess
from services.settings import Settings

for _package in (jobs, services):
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        if not _module.name.endswith("__main__"):
            importlib.import_module(_module.name)
for _name in ("_strptime", "rich._ratio", "rich.table", "typer._adapters", "typer._click.decorators"):
    importlib.import_module(_name)  # which a job imports when it first needs them

# clients of each service, and the pages of S3's answers, so that botocore's descriptions of them are read
for _service in ("s3", "sts", "glue", "athena"):
    _client = Aws(AwsAccess(region="us-east-1", endpoint_url="http://127.0.0.1:9")).client(_service)
    if _service == "s3":
        _client.can_paginate("list_objects_v2")

# the folders of Python's library, which loguru looks for with each destination of the log
_folders = ExceptionFormatter._get_lib_dirs()  # type: ignore[no-untyped-call]
ExceptionFormatter._get_lib_dirs = staticmethod(lambda: _folders)  # type: ignore[method-assign]
Settings.model_rebuild()
gc.collect()
gc.freeze()  # a collection in a forked process copies no page of what is loaded here
