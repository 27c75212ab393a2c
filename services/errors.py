"""One tree of errors: what happened, what to do next, and which exit code says so."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.operations.figures import MetricSample

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says of a disk, or a user's share of it, that takes no more."""


class ShorelineError(Exception):
    """Something that a user can mend.

    `str(error)` says what happened, `next_step` what to do about it, `exit_code` is what the job ends with.
    A subclass sets defaults for the last two; one error may say something more exact. `figures` are what the job
    found out all the same.
    """

    exit_code = 1
    next_step = ""
    figures: Sequence[MetricSample] = ()

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        if next_step is not None:
            self.next_step = next_step


class SettingsError(ShorelineError):
    """Settings are missing or wrong; the message lists them all."""

    exit_code = 2
    next_step = "Set them in the environment or in .env; .env.example lists every variable."


class InputError(ShorelineError):
    """An option or argument has a value that the job cannot take."""

    exit_code = 2
    next_step = "Correct the option; `--help` after the job's name lists them all."


class ServerNewerThanClient(ShorelineError):
    """pg_dump refuses servers of a newer major version than its own."""

    exit_code = 3
    next_step = (
        "Install PostgreSQL's client programs of the server's version, and set PG_BIN to their folder;"
        " in containers, use an image that has them."
    )


class DatabaseUnreachable(ShorelineError):
    """No PostgreSQL answered, or it refused the user, the password or the database."""

    exit_code = 4
    next_step = "Check PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE; is the server running?"


class DatabaseError(ShorelineError):
    """PostgreSQL answered, and refused what was asked of it."""

    exit_code = 5


class StorageUnreachable(ShorelineError):
    """The object store did not answer."""

    exit_code = 6
    next_step = "Check AWS_ENDPOINT_URL, AWS_REGION and the network; offline, `shoreline up` starts the store."


class CredentialsRefused(ShorelineError):
    """No AWS credentials were found, or AWS refused them."""

    exit_code = 7
    next_step = (
        "Check AWS_PROFILE or the credential chain: `aws sts get-caller-identity` shows who you are."
        " A container sees the files of AWS_CONFIG_DIR only (~/.aws, say), as the user SHORELINE_UID (`id -u`)."
    )


class BucketMissing(ShorelineError):
    """The bucket does not exist."""

    exit_code = 8
    next_step = "Run `shoreline setup`, which makes it."


class BucketNotOurs(ShorelineError):
    """The bucket, or what lies where the job would delete, belongs to someone else or was not made by Shoreline."""

    exit_code = 9
    next_step = "Choose another name for BUCKET: bucket names are shared by all of AWS."


class StorageError(ShorelineError):
    """The object store answered, and refused or failed."""

    exit_code = 10


class BackupFailed(ShorelineError):
    """No backup was made. Nothing of the attempt is listed or counted."""

    exit_code = 11
    next_step = "Fix the cause and run the backup again; older backups are untouched."


class BackupNotFound(ShorelineError):
    """No complete backup matches the request."""

    exit_code = 12
    next_step = "`shoreline backups` lists those that there are; `shoreline backup` makes one."


class BackupDamaged(ShorelineError):
    """The stored object does not match its manifest."""

    exit_code = 13
    next_step = "Restore an older backup (`shoreline backups` lists them), and make a new one now."


class RestoreFailed(ShorelineError):
    """Nothing was restored; the target is as it was."""

    exit_code = 14


class DrillFailed(ShorelineError):
    """A restored backup differs from the database it was taken from."""

    exit_code = 15
    next_step = "Do not rely on this backup: make a new one, and drill that."


class LakeError(ShorelineError):
    """The lake's files are missing, damaged or not of the declared shape."""

    exit_code = 16


class QueryRefused(ShorelineError):
    """The query breaks a rule of the lake: a partition filter, or the scan limit."""

    exit_code = 17


class QueryFailed(ShorelineError):
    """The engine could not answer the query."""

    exit_code = 18


class Busy(ShorelineError):
    """Another run holds what this one needs."""

    exit_code = 19
    next_step = "Wait for it to end, or for its lease to expire, and run again."


class BudgetExceeded(ShorelineError):
    """The run would cost more than MAX_RUN_COST_USD."""

    exit_code = 20
    next_step = "Raise MAX_RUN_COST_USD if that is what you want."


class CleanupIncomplete(ShorelineError):
    """Something is left, or could not be checked."""

    exit_code = 21
    next_step = "Run the cleanup again; what it lists is what is left."


class StackError(ShorelineError):
    """The embedded stack, the container engine or the server of a drill could not be started, or lacks something."""

    exit_code = 22


class CheckFailed(ShorelineError):
    """A check that was asked for found something: drift, staleness, a difference."""

    exit_code = 23


class WrongAccount(ShorelineError):
    """The credentials belong to another account, or to another kind of user, than the settings allow."""

    exit_code = 24
    next_step = "Check AWS_PROFILE and AWS_EXPECTED_ACCOUNT_ID: `aws sts get-caller-identity` shows who you are."


class NotConfirmed(ShorelineError):
    """A step that cannot be taken back was not confirmed; nothing was changed."""

    exit_code = 25
    next_step = "Run it on a terminal, and type the name that it asks for."


class NotAllowed(ShorelineError):
    """The credentials may not do what the job needs; nothing was changed."""

    exit_code = 26
    next_step = "`shoreline iam` prints the policies that the jobs need."


class FolderUnusable(ShorelineError):
    """A file or folder of this machine cannot be read or written."""

    exit_code = 27
    next_step = "Let the user that runs the job read and write there; in containers see SHORELINE_UID in .env.example."


class ResourcesExhausted(ShorelineError):
    """This machine, or a limit set for the job, has too little memory or too few threads or processes."""

    exit_code = 28
    next_step = "Raise the limit (`ulimit -v`, `ulimit -u`, the container's memory), or run fewer jobs at a time."
