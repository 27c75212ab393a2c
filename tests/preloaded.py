"""Imports and reads whatever a job does when it is run, so that a process forked from this one need not."""

import functools
import gc
import importlib
import pkgutil

from botocore.loaders import JSONFileLoader, Loader
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

# botocore's descriptions of the services: a quarter of the time of a job that asks S3 one thing
_read = functools.cache(JSONFileLoader().load_file)
JSONFileLoader.load_file = lambda _, path: _read(path)  # type: ignore[assignment, method-assign]
_available = functools.cache(Loader().list_available_services)
Loader.list_available_services = lambda _, type_name: _available(type_name)  # type: ignore[assignment, method-assign]
for _service in ("s3", "sts", "glue", "athena"):
    Aws(AwsAccess(region="us-east-1", endpoint_url="http://127.0.0.1:9")).client(_service)

# the folders of Python's library, which loguru looks for with each destination of the log
_folders = ExceptionFormatter._get_lib_dirs()  # type: ignore[no-untyped-call]
ExceptionFormatter._get_lib_dirs = staticmethod(lambda: _folders)  # type: ignore[method-assign]
Settings.model_rebuild()
gc.collect()
gc.freeze()  # a collection in a forked process copies no page of what is loaded here
