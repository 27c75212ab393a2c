"""Athena itself: workgroup, tables, queries."""

from __future__ import annotations


def workgroup_arn(region: str, account_id: str, workgroup: str) -> str:
    """The workgroup's Amazon Resource Name. Source: Service Authorization Reference, Amazon Athena."""
    return f"arn:aws:athena:{region}:{account_id}:workgroup/{workgroup}"
