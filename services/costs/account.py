"""The account of one run: its meter, its budget, the objects that it stored, and its receipt."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from services.costs.bill import Biller, Usage
from services.costs.budget import Budget
from services.costs.ledger import Ledger
from services.costs.meter import Meter
from services.costs.receipt import Receipt, make_receipt


class Account:
    """Counts the requests of one run's clients, and stops them at the run's limit.

    `billed` says whether the endpoint is AWS itself; `enforced`, whether the limit stops the run.
    """

    def __init__(self, biller: Biller, *, limit: Decimal, enforced: bool, billed: bool) -> None:
        self.biller = biller
        self.budget = Budget(biller, limit, enforced=enforced)
        self.meter = Meter(self.budget if enforced else None)
        self._ledger = Ledger()
        self._billed = billed

    def attach(self, client: Any) -> None:
        """Count a new boto3 client's requests."""
        self._ledger.attach(client)
        self.meter.attach(client)

    def expect(self, usage: Usage, work: str) -> Decimal:
        """Return the predicted dollars of the run so far and of some work that is about to begin.

        `work` begins the message: 'Uploading 1.2 GB'. Raises BudgetExceeded if the sum is over the limit.
        """
        return self.budget.expect(self.meter.snapshot() + usage, work)

    def receipt(self, *, job: str, run_id: str, started: datetime) -> Receipt:
        """Return the receipt of everything so far."""
        return make_receipt(
            job=job,
            run_id=run_id,
            started=started,
            billed=self._billed,
            limit=self.budget.limit,
            usage=self.meter.snapshot(),
            left=self._ledger.left(),
            biller=self.biller,
        )
