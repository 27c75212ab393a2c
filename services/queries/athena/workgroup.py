"""The workgroup: where results go, how they are encrypted, and at how many bytes a query is cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from services.errors import InputError
from services.queries.athena import workgroup_arn
from services.queries.athena.reasons import no_athena
from services.s3.bucket import TAG
from services.s3.client import Aws, error_code, translate_errors

SMALLEST_CUT_OFF = 10_000_000
"""The least that BytesScannedCutoffPerQuery takes: it cannot hold a query to KBs, the prediction does."""
ENGINE = "Athena engine version 3"


@dataclass(frozen=True)
class Workgroup:
    """The configuration that every query in the workgroup has, whatever a client asks for."""

    name: str
    results: str
    cut_off: int
    kms_key: str | None = None

    def setup(self, aws: Aws) -> bool:
        """Makes the workgroup, or brings it to this configuration. True when it was made now.

        Raises InputError for 'primary', which is everybody's, and for one without our tag: it is never taken over.
        """
        if self.name == "primary":
            raise InputError(
                "The workgroup 'primary' belongs to the whole account.", next_step="Name another in ATHENA_WORKGROUP."
            )
        with translate_errors():
            if self._exists(aws):
                self._refuse_foreign(aws)
                self._update(aws)
                return False
            aws.athena.create_work_group(
                Name=self.name,
                Description="Queries of the lake, by Shoreline",
                Configuration=self._configuration(aws),
                Tags=[{"Key": TAG["Key"], "Value": TAG["Value"]}],
            )
            return True

    def _exists(self, aws: Aws) -> bool:
        try:
            aws.athena.get_work_group(WorkGroup=self.name)
        except ClientError as error:
            if error_code(error) == "InvalidRequestException" and "not found" in str(error):
                return False
            raise no_athena(error) or error from error
        return True

    def _refuse_foreign(self, aws: Aws) -> None:
        if TAG not in workgroup_tags(aws, self.name):
            raise InputError(
                f"The workgroup {self.name} is not Shoreline's: it has no tag project=shoreline.",
                next_step="Name another in ATHENA_WORKGROUP, or tag this one yourself.",
            )

    def _configuration(self, aws: Aws) -> Any:
        return {
            "EnforceWorkGroupConfiguration": True,
            "PublishCloudWatchMetricsEnabled": False,
            "BytesScannedCutoffPerQuery": max(SMALLEST_CUT_OFF, self.cut_off),
            "EngineVersion": {"SelectedEngineVersion": ENGINE},
            "ResultConfiguration": self._results(aws),
        }

    def _results(self, aws: Aws) -> dict[str, Any]:
        encryption: dict[str, str] = {"EncryptionOption": "SSE_S3"}
        if self.kms_key:
            encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": self.kms_key}
        return {
            "OutputLocation": self.results,
            "EncryptionConfiguration": encryption,
            "ExpectedBucketOwner": aws.account_id,
        }

    def _update(self, aws: Aws) -> None:
        updates = self._configuration(aws)
        updates["ResultConfigurationUpdates"] = updates.pop("ResultConfiguration")
        aws.athena.update_work_group(WorkGroup=self.name, State="ENABLED", ConfigurationUpdates=updates)


def workgroup_tags(aws: Aws, workgroup: str) -> list[Any]:
    """The tags of a workgroup of this account and region."""
    arn = workgroup_arn(aws.access.region, aws.account_id, workgroup)
    return list(aws.athena.list_tags_for_resource(ResourceARN=arn)["Tags"])
