"""The errors of every job: a message, the next step and an exit code."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.operations.figures import MetricSample

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The errno values of a full disk or an exceeded quota."""


class ShorelineError(Exception):
    """A failure that the user can fix; `str(error)` states the problem.

    A subclass sets its exit code and a default next step.
    """

    exit_code = 1
    next_step = ""  # a sentence with a command or a setting
    figures: Sequence[MetricSample] = ()  # measured although the job failed

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        if next_step is not None:
            self.next_step = next_step


class SettingsError(ShorelineError):
    """Settings are missing or invalid; the message lists all of them."""

    exit_code = 2
    next_step = "Set them in the environment or in .env; .env.example lists every variable."


class InputError(ShorelineError):
    """An option or argument has an invalid value."""

    exit_code = 2
    next_step = "Correct the option; `--help` after the job's name lists all options."


class ServerNewerThanClient(ShorelineError):
    """The server is newer than pg_dump, which refuses newer major versions."""

    exit_code = 3
    next_step = (
        "Install PostgreSQL's client programs of the server's version and set PG_BIN to their folder;"
        " in containers, use an image that contains them."
    )


class DatabaseUnreachable(ShorelineError):
    """PostgreSQL did not answer, or refused the user, the password or the database."""

    exit_code = 4
    next_step = "Check that the server is running, and PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE."


class DatabaseError(ShorelineError):
    """PostgreSQL refused a command or a query."""

    exit_code = 5


class StorageUnreachable(ShorelineError):
    """The object store did not answer."""

    exit_code = 6
    next_step = "Check AWS_ENDPOINT_URL, AWS_REGION and the network; offline, `shoreline up` starts the store."


class CredentialsRefused(ShorelineError):
    """No AWS credentials were found, or AWS refused them."""

    exit_code = 7
    next_step = (
        "Check AWS_PROFILE or the credential chain: `aws sts get-caller-identity` shows your identity."
        " A container reads only the files in AWS_CONFIG_DIR (such as ~/.aws), as the user SHORELINE_UID (`id -u`)."
    )


class BucketMissing(ShorelineError):
    """The bucket does not exist."""

    exit_code = 8
    next_step = "Run `shoreline setup` to create it."


class BucketNotOurs(ShorelineError):
    """The bucket or the objects to delete belong to someone else, or were not created by Shoreline."""

    exit_code = 9
    next_step = "Choose another name for BUCKET: bucket names are unique across all AWS accounts."


class StorageError(ShorelineError):
    """The object store refused a request or failed."""

    exit_code = 10


class BackupFailed(ShorelineError):
    """The backup failed. The attempt is not listed as a backup."""

    exit_code = 11
    next_step = "Fix the cause and run the backup again; older backups are untouched."


class BackupNotFound(ShorelineError):
    """No complete backup matches the request."""

    exit_code = 12
    next_step = "`shoreline backups` lists the backups; `shoreline backup` creates one."


class BackupDamaged(ShorelineError):
    """The stored object does not match its manifest."""

    exit_code = 13
    next_step = "Restore an older backup (`shoreline backups` lists them), and run `shoreline backup` now."


class RestoreFailed(ShorelineError):
    """The restore failed; the target is unchanged."""

    exit_code = 14


class DrillFailed(ShorelineError):
    """A restored backup differs from the database at the time of the backup."""

    exit_code = 15
    next_step = "Do not rely on this backup: run `shoreline backup`, then `shoreline drill`."


class LakeError(ShorelineError):
    """Files of the lake are missing, damaged or do not match the declared tables."""

    exit_code = 16


class QueryRefused(ShorelineError):
    """The query has no partition filter, would scan more than the limit, or cannot be parsed."""

    exit_code = 17


class QueryFailed(ShorelineError):
    """The query engine failed."""

    exit_code = 18


class Busy(ShorelineError):
    """Another run holds the lease or lock that this one needs."""

    exit_code = 19
    next_step = "Wait for it to finish, or for its lease to expire, and run the job again."


class BudgetExceeded(ShorelineError):
    """The run would cost more than MAX_RUN_COST_USD."""

    exit_code = 20
    next_step = "Raise MAX_RUN_COST_USD to allow the cost."


class CleanupIncomplete(ShorelineError):
    """Resources remain, or could not be checked."""

    exit_code = 21
    next_step = "Run `shoreline cleanup` again; it lists what remains."


class StackError(ShorelineError):
    """The embedded stack, the container engine or the drill server could not be started."""

    exit_code = 22


class CheckFailed(ShorelineError):
    """A check found a problem: drift, a stale backup, a difference."""

    exit_code = 23


class WrongAccount(ShorelineError):
    """The credentials belong to an account or a kind of user that the settings do not allow."""

    exit_code = 24
    next_step = "Check AWS_PROFILE and AWS_EXPECTED_ACCOUNT_ID: `aws sts get-caller-identity` shows your identity."


class NotConfirmed(ShorelineError):
    """An irreversible step was not confirmed; nothing was changed."""

    exit_code = 25
    next_step = "Run it on a terminal and type the name when asked."


class NotAllowed(ShorelineError):
    """The credentials lack permissions that the job needs; nothing was changed."""

    exit_code = 26
    next_step = "`shoreline iam` prints the policies that the jobs need."


class FolderUnusable(ShorelineError):
    """A local file or folder cannot be read or written."""

    exit_code = 27
    next_step = "Give the job's user read and write access to it; in containers see SHORELINE_UID in .env.example."


class ResourcesExhausted(ShorelineError):
    """The machine, or a limit of the job, has too little memory or too few threads or processes."""

    exit_code = 28
    next_step = "Raise the limit (`ulimit -v`, `ulimit -u`, the container's memory), or run fewer jobs at a time."
