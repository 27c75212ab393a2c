"""AWS's price list, through the Price List API: the usages of the price file, looked up by AWS's usage types.

Usage types: infracost's sources (internal/resources/aws, 2025-07) and the AWS Price List's own. A usage with several
prices, or with none, is reported and not changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from services.costs.refresh import Offer
from services.errors import InputError
from services.s3.client import translate_errors


@dataclass(frozen=True)
class Lookup:
    """How a usage is found in the price list: service, end of the usage type, and further attributes."""

    service: str
    usage_type: str
    attributes: Mapping[str, str] = field(default_factory=dict)


_POSTGRESQL = {"databaseEngine": "PostgreSQL", "deploymentOption": "Single-AZ"}
LOOKUPS: Mapping[str, Lookup] = {
    "s3.storage.STANDARD": Lookup("AmazonS3", "TimedStorage-ByteHrs"),
    "s3.storage.STANDARD_IA": Lookup("AmazonS3", "TimedStorage-SIA-ByteHrs"),
    "s3.storage.ONEZONE_IA": Lookup("AmazonS3", "TimedStorage-ZIA-ByteHrs"),
    "s3.storage.GLACIER_IR": Lookup("AmazonS3", "TimedStorage-GIR-ByteHrs"),
    "s3.storage.GLACIER": Lookup("AmazonGlacier", "TimedStorage-ByteHrs"),
    "s3.storage.DEEP_ARCHIVE": Lookup("AmazonS3GlacierDeepArchive", "TimedStorage-GDA-ByteHrs"),
    "s3.storage.INTELLIGENT_TIERING": Lookup("AmazonS3", "TimedStorage-INT-FA-ByteHrs"),
    "s3.storage.INTELLIGENT_TIERING.30": Lookup("AmazonS3", "TimedStorage-INT-IA-ByteHrs"),
    "s3.storage.INTELLIGENT_TIERING.90": Lookup("AmazonS3", "TimedStorage-INT-AIA-ByteHrs"),
    "s3.monitoring.INTELLIGENT_TIERING": Lookup("AmazonS3", "Monitoring-Automation-INT"),
    "s3.put.STANDARD": Lookup("AmazonS3", "Requests-Tier1"),
    "s3.put.STANDARD_IA": Lookup("AmazonS3", "Requests-SIA-Tier1"),
    "s3.put.ONEZONE_IA": Lookup("AmazonS3", "Requests-ZIA-Tier1"),
    "s3.put.GLACIER_IR": Lookup("AmazonS3", "Requests-GIR-Tier1"),
    "s3.put.GLACIER": Lookup("AmazonS3", "Requests-GLACIER-Tier1", {"operation": "PostObject"}),
    "s3.put.DEEP_ARCHIVE": Lookup("AmazonS3GlacierDeepArchive", "Requests-GDA-Tier1", {"operation": "PostObject"}),
    "s3.put.INTELLIGENT_TIERING": Lookup("AmazonS3", "Requests-INT-Tier1"),
    "s3.get.STANDARD": Lookup("AmazonS3", "Requests-Tier2"),
    "s3.get.STANDARD_IA": Lookup("AmazonS3", "Requests-SIA-Tier2"),
    "s3.get.ONEZONE_IA": Lookup("AmazonS3", "Requests-ZIA-Tier2"),
    "s3.get.GLACIER_IR": Lookup("AmazonS3", "Requests-GIR-Tier2"),
    "s3.get.GLACIER": Lookup("AmazonS3", "Requests-GLACIER-Tier2"),
    "s3.get.DEEP_ARCHIVE": Lookup("AmazonS3", "Requests-GDA-Tier2"),
    "s3.get.INTELLIGENT_TIERING": Lookup("AmazonS3", "Requests-INT-Tier2"),
    "s3.transition.STANDARD_IA": Lookup("AmazonS3", "Requests-Tier4"),
    "s3.transition.GLACIER": Lookup("AmazonS3", "Requests-Tier3", {"operation": "S3-GlacierTransition"}),
    "s3.transition.DEEP_ARCHIVE": Lookup("AmazonS3", "Requests-Tier3", {"operation": "S3-GDATransition"}),
    "s3.retrieval.STANDARD_IA": Lookup("AmazonS3", "Retrieval-SIA"),
    "s3.retrieval.ONEZONE_IA": Lookup("AmazonS3", "Retrieval-ZIA"),
    "s3.retrieval.GLACIER_IR": Lookup("AmazonS3", "Retrieval-SIA-GIR"),
    "s3.retrieval.GLACIER": Lookup("AmazonGlacier", "Standard-Retrieval-Bytes"),
    "s3.retrieval.DEEP_ARCHIVE": Lookup("AmazonS3GlacierDeepArchive", "Standard-Retrieval-Bytes"),
    "s3.retrieval-request.GLACIER": Lookup("AmazonGlacier", "Requests-Tier1"),
    "s3.retrieval-request.DEEP_ARCHIVE": Lookup("AmazonS3GlacierDeepArchive", "Requests-GDA-Tier3"),
    "athena.scan": Lookup("AmazonAthena", "DataScannedInTB"),
    "glue.request": Lookup("AWSGlue", "Catalog-Request"),
    "glue.object": Lookup("AWSGlue", "Catalog-Storage"),
    "kms.key": Lookup("awskms", "KMS-Keys"),
    "kms.request": Lookup("awskms", "KMS-Requests"),
    "rds.backup": Lookup("AmazonRDS", "RDS:ChargedBackupUsage", {"databaseEngine": "Any"}),
    "rds.storage.gp3": Lookup("AmazonRDS", "RDS:GP3-Storage", _POSTGRESQL),
    "rds.instance.db.t4g.medium": Lookup("AmazonRDS", "InstanceUsage:db.t4g.medium", _POSTGRESQL),
    "rds.instance.db.t3.large": Lookup("AmazonRDS", "InstanceUsage:db.t3.large", _POSTGRESQL),
    "ebs.snapshot": Lookup("AmazonEC2", "EBS:SnapshotUsage"),
}
_PREFIX = r"(?:(?:[A-Z]{2,4}\d?|[a-z]{2}(?:-[a-z]+){1,2}-\d)-)?"  # a region's short name, or its code
_FILTERED = {"AmazonRDS", "AmazonEC2"}  # of so many products that the list is asked for the few that count


class AwsPriceList:
    """The price list of one region. `client` is a boto3 client of the service `pricing`."""

    def __init__(self, client: Any, region: str) -> None:
        self._client = client
        self._region = region
        self._products: dict[str, list[Mapping[str, Any]]] = {}

    def offers(self, usages: Iterable[str]) -> tuple[dict[str, list[Offer]], dict[str, str]]:
        """The tiers of each usage, and why the others have none. Raises InputError for a region without a list."""
        found: dict[str, list[Offer]] = {}
        left_out: dict[str, str] = {}
        for usage in usages:
            lookup = LOOKUPS.get(usage)
            if lookup is None:
                left_out[usage] = "not looked up"
                continue
            tiers = _distinct([_tiers(usage, product) for product in self._matching(lookup)])
            if len(tiers) == 1:
                found[usage] = tiers[0]
            else:
                left_out[usage] = "several prices" if tiers else "not in the list"
        if not found:
            raise InputError(f"AWS's price list has nothing for the region {self._region!r}.")
        return found, left_out

    def _matching(self, lookup: Lookup) -> Iterator[Mapping[str, Any]]:
        named = re.compile(_PREFIX + re.escape(lookup.usage_type))
        for product in self._service(lookup):
            attributes = product["product"]["attributes"]
            if named.fullmatch(attributes.get("usagetype", "")) and all(
                attributes.get(key) == value for key, value in lookup.attributes.items()
            ):
                yield product

    def _service(self, lookup: Lookup) -> list[Mapping[str, Any]]:
        filters = {"regionCode": self._region}
        key = lookup.service
        if lookup.service in _FILTERED:
            filters |= {name: value for name, value in lookup.attributes.items() if value != "Any"}
            key += str(sorted(filters.items()))
        if key not in self._products:
            asked = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()]
            with translate_errors():
                pages = self._client.get_paginator("get_products").paginate(ServiceCode=lookup.service, Filters=asked)
                self._products[key] = [json.loads(text) for page in pages for text in page["PriceList"]]
        return self._products[key]


def _tiers(usage: str, product: Mapping[str, Any]) -> list[Offer]:
    published = str(product.get("publicationDate", ""))[:10]
    dimensions = [
        dimension
        for term in product.get("terms", {}).get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
    ]
    tiers = [
        Offer(usage, Decimal(dimension["beginRange"]), Decimal(dimension["pricePerUnit"]["USD"]), published)
        for dimension in dimensions
        if "USD" in dimension["pricePerUnit"]
    ]
    paid = sorted((tier for tier in tiers if tier.usd_each > 0), key=lambda tier: tier.tier_from)
    free = [tier for tier in tiers if tier.usd_each == 0]
    if free and paid:  # a free allowance comes first: it is an allowance here, not a tier
        paid[0] = Offer(usage, Decimal(0), paid[0].usd_each, published)
    return paid


def _distinct(found: Sequence[list[Offer]]) -> list[list[Offer]]:
    distinct: dict[tuple[tuple[Decimal, Decimal], ...], list[Offer]] = {}
    for tiers in found:
        if tiers:
            distinct.setdefault(tuple((tier.tier_from, tier.usd_each) for tier in tiers), tiers)
    return list(distinct.values())
