"""The receipt of a run: its usage in AWS's units, the cost, and the monthly cost of what it stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from services.costs.bill import Bill, Biller, Line, Usage, nano, plain
from services.costs.budget import NEVER_STOPPED
from services.files import write_private

FORMAT = "shoreline-receipt/1"


@dataclass(frozen=True)
class Receipt:
    """The cost of one run."""

    job: str
    run_id: str
    started: datetime
    region: str
    billed: bool  # whether the endpoint was AWS itself
    limit: Decimal  # dollars that the run was allowed to cost
    usage: Usage
    bill: Bill
    objects_left: int
    monthly: tuple[Line, ...]
    always_free: tuple[Line, ...]  # what AWS's monthly free allowances cover of the bill

    @property
    def total(self) -> Decimal:
        """Dollars, to the nano-dollar."""
        return nano(self.bill.total)

    @property
    def total_monthly(self) -> Decimal:
        """Dollars a month for the stored objects, to the nano-dollar."""
        return nano(sum((line.usd for line in self.monthly), Decimal(0)))

    @property
    def total_free(self) -> Decimal:
        """Dollars of the total that AWS's monthly free allowances cover, to the nano-dollar."""
        return nano(sum((line.usd for line in self.always_free), Decimal(0)))

    @property
    def over_limit(self) -> bool:
        """Whether the run cost more than its limit, which was then not enforced."""
        return self.bill.total > self.limit and self.job not in NEVER_STOPPED

    def as_json(self) -> dict[str, Any]:
        """Return plain values for `json.dumps`, money as text."""
        return {
            "format": FORMAT,
            "job": self.job,
            "run_id": self.run_id,
            "started": self.started.isoformat(),
            "region": self.region,
            "billed": self.billed,
            "max_run_cost_usd": plain(self.limit),
            "usd": plain(self.total),
            "usd_monthly_left_behind": plain(self.total_monthly),
            "usd_free_tier": plain(self.total_free),
            "lines": [_line(line) for line in self.bill.lines],
            "unpriced": list(self.bill.unpriced),
            "objects_left": self.objects_left,
            "left_behind": [_line(line) for line in self.monthly],
            "free_tier": [_line(line) for line in self.always_free],
            "usage": self.usage.as_json(),
        }


def make_receipt(
    *,
    job: str,
    run_id: str,
    started: datetime,
    billed: bool,
    limit: Decimal,
    usage: Usage,
    left: tuple[int, dict[str, int]],
    biller: Biller,
) -> Receipt:
    """Return the receipt of a usage, and of the objects (number, and bytes by storage class) that are left."""
    bill = biller.bill(usage)
    return Receipt(
        job=job,
        run_id=run_id,
        started=started,
        region=biller.region,
        billed=billed,
        limit=limit,
        usage=usage,
        bill=bill,
        objects_left=left[0],
        monthly=biller.monthly(left[1]),
        always_free=biller.always_free(bill.lines),
    )


def keep(receipt: Receipt, folder: Path, evidence: Mapping[str, Any] = MappingProxyType({})) -> Path:
    """Write `<job>_<time>.json`, never over another receipt, and return its path. Raises OSError.

    `evidence` holds further results of the job, under names of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**receipt.as_json(), **evidence}, indent=2) + "\n"
    name = f"{receipt.job}_{receipt.started:%Y%m%d_%H%M%S}"
    path = folder / f"{name}.json"
    if path.exists():
        path = folder / f"{name}_{receipt.run_id}.json"
    write_private(path, text.encode())
    return path


@dataclass(frozen=True)
class KeptReceipt:
    """The part of a kept receipt that is summed."""

    path: Path
    job: str
    run_id: str
    started: datetime
    region: str
    billed: bool
    usd: Decimal
    usd_monthly_left_behind: Decimal
    usd_free_tier: Decimal
    usage: Usage


def read_receipts(folder: Path) -> tuple[list[KeptReceipt], list[str]]:
    """Return the kept receipts, oldest first, and the names of damaged ones."""
    receipts, unreadable = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(data, dict) or data.get("format") != FORMAT:
                continue
            receipts.append(_kept(path, data))
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError):
            unreadable.append(path.name)
    return sorted(receipts, key=lambda receipt: receipt.started), unreadable


def _kept(path: Path, data: dict[str, Any]) -> KeptReceipt:
    return KeptReceipt(
        path=path,
        job=data["job"],
        run_id=data["run_id"],
        started=datetime.fromisoformat(data["started"]),
        region=data["region"],
        billed=data["billed"],
        usd=Decimal(data["usd"]),
        usd_monthly_left_behind=Decimal(data["usd_monthly_left_behind"]),
        usd_free_tier=sum((Decimal(row["usd"]) for row in data["free_tier"] if not _ended_offer(row)), Decimal(0)),
        usage=Usage.from_json(data["usage"]),
    )


def _ended_offer(row: Mapping[str, str]) -> bool:
    """Whether a line of an older receipt is of S3's 12-month offer, which no account has since 2026-07-14."""
    return row["usage"].startswith("s3.")


@dataclass(frozen=True)
class Total:
    """The sum of one job's receipts."""

    job: str
    runs: int
    requests: int
    retries: int
    bytes_sent: int
    bytes_received: int
    usd: Decimal


def add_up(receipts: Iterable[KeptReceipt]) -> list[Total]:
    """Return a total for each job, the most expensive first."""
    by_job: dict[str, list[KeptReceipt]] = {}
    for receipt in receipts:
        by_job.setdefault(receipt.job, []).append(receipt)
    totals = [_total(job, group) for job, group in by_job.items()]
    return sorted(totals, key=lambda total: (-total.usd, total.job))


def _total(job: str, receipts: Sequence[KeptReceipt]) -> Total:
    usage = sum((receipt.usage for receipt in receipts), Usage())
    total = usage.total
    return Total(
        job=job,
        runs=len(receipts),
        requests=total.billable,
        retries=sum(max(0, tally.attempts - tally.calls) for tally in usage.tallies.values()),
        bytes_sent=total.bytes_sent,
        bytes_received=total.bytes_received,
        usd=sum((receipt.usd for receipt in receipts), Decimal(0)),
    )


def _line(line: Line) -> dict[str, Any]:
    return {**asdict(line), "amount": plain(line.amount), "usd": plain(line.rounded)}
