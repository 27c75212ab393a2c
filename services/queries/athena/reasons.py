"""What to do about the failures that Athena is known for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from services.errors import QueryFailed

if TYPE_CHECKING:
    from services.queries.prediction import ScanTooLarge

# What the reason holds, and the next step. The first that fits counts.
_KNOWN: dict[str, str] = {
    r"HIVE_PARTITION_SCHEMA_MISMATCH": (
        "A partition was registered with other columns than the table has now. Drop the table (its files stay) and run "
        "`shoreline athena` again, or use ATHENA_PARTITIONS=projection, which registers none."
    ),
    r"HIVE_BAD_DATA": (
        "A file's column is not of the type that the table declares: the reason names both. Write that day again "
        "(generate or export, then upload); `shoreline query --explain` finds such files without a scan."
    ),
    r"SERIALIZATION_ERROR": (
        "Athena could not read a value, mostly a timestamp finer than milliseconds or a type it lacks. Write that day "
        "again with `shoreline export`, which stores milliseconds."
    ),
    r"HIVE_CANNOT_OPEN_SPLIT|HIVE_CURSOR_ERROR|HIVE_FILESYSTEM_ERROR": (
        "A file could not be read: it is damaged, not a Parquet file, or was replaced meanwhile. `shoreline tables` "
        "reads every footer and names the file."
    ),
    r"(?i)access denied.*(output|result|writ)|(output|result).*(access denied|not authorized)"
    r"|unable to verify/create output bucket|insufficient permissions to (write|execute)": (
        "Allow s3:GetBucketLocation, s3:ListBucket, s3:GetObject, s3:PutObject and s3:AbortMultipartUpload on the "
        "result location, ATHENA_RESULTS_PREFIX in the bucket."
    ),
    r"(?i)access denied|not authorized|insufficient permissions|lake formation": (
        "Allow this role the S3 and Glue actions that `shoreline iam query` and `shoreline iam setup` print."
    ),
    r"TABLE_NOT_FOUND|(?i:table .* does not exist)": "Run `shoreline athena`, which creates the tables.",
    r"SCHEMA_NOT_FOUND|(?i:(database|schema) .* (does not exist|not found))": "Run `shoreline athena`: it creates it.",
    r"mismatched input|FAILED: ParseException": "Check the DDL: `shoreline athena --check`",
    r"SYNTAX_ERROR|TYPE_MISMATCH|COLUMN_NOT_FOUND|FUNCTION_NOT_FOUND|INVALID_CAST_ARGUMENT|DIVISION_BY_ZERO"
    r"|NUMERIC_VALUE_OUT_OF_RANGE|EXPRESSION_NOT_AGGREGATE": "Correct the query.",
    r"EXCEEDED_(GLOBAL_|LOCAL_)?MEMORY_LIMIT|(?i:exhausted resources)": (
        "The query needs more than Athena gives one query: select fewer partitions or columns, or aggregate earlier."
    ),
    r"(?i)query timeout|EXCEEDED_TIME_LIMIT": "The query ran longer than the account allows: select less.",
    r"INTERNAL_ERROR": "This is a failure of Athena's own: run it again.",
}
_CUT_OFF = re.compile(r"(?i)bytes scanned limit was exceeded")


class NoAthena(QueryFailed):
    """The endpoint that the settings name has no Athena."""

    next_step = "Run it with --engine duckdb, which gives Athena's answers offline."


def no_athena(error: ClientError) -> NoAthena | None:
    """The refusal as one of an endpoint without Athena, such as LocalStack's community edition; None for any other."""
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 501:
        return None
    return NoAthena("AWS_ENDPOINT_URL does not offer Athena.")


def failure(reason: str, query_id: str) -> QueryFailed | ScanTooLarge:
    """A failed query as an error: Athena's own reason, and what to do about it where that is known."""
    told = " ".join(reason.split()) or "Athena gives no reason"
    if _CUT_OFF.search(reason):
        from services.queries.prediction import ScanTooLarge  # Arrow and a parser, which a workgroup's look needs not

        return ScanTooLarge(f"Athena cut the query off at the workgroup's limit: {told} (query {query_id}).")
    step = next((step for pattern, step in _KNOWN.items() if re.search(pattern, reason)), "")
    return QueryFailed(
        f"Athena could not run the query: {told} (query {query_id}).",
        next_step=step or f"Look at query {query_id} in Athena's history.",
    )
