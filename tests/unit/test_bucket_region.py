"""The bucket is worked on in its own region, or not at all."""

from __future__ import annotations

import pytest
from botocore.stub import Stubber

from services.errors import SettingsError
from services.s3.client import Aws, AwsAccess, Identity
from services.s3.objects import Storage


def looked_at(answered: str | None, *, endpoint: str | None = None) -> bool:
    """What a run in us-east-1 makes of a bucket whose region S3 tells so."""
    aws = Aws(AwsAccess("us-east-1", endpoint_url=endpoint, access_key_id="me", secret_access_key="x"))
    aws.__dict__["identity"] = Identity("000000000000", "arn:aws:iam::000000000000:user/me", "000000000000")
    with Stubber(aws.s3) as stub:
        stub.add_response("head_bucket", {"BucketRegion": answered} if answered else {})
        return Storage(aws, "theirs").exists()


def test_a_bucket_of_another_region_is_refused_with_the_setting_that_mends_it() -> None:
    with pytest.raises(
        SettingsError, match="AWS_REGION  is us-east-1, and the bucket theirs is in eu-west-1"
    ) as caught:
        looked_at("eu-west-1")
    assert caught.value.next_step.startswith("Set AWS_REGION=eu-west-1")


@pytest.mark.parametrize(
    ("answered", "endpoint"),
    [("us-east-1", None), (None, None), ("eu-west-1", "https://minio.example.com")],
)
def test_the_same_region_and_that_of_another_store_are_taken(answered: str | None, endpoint: str | None) -> None:
    assert looked_at(answered, endpoint=endpoint)
