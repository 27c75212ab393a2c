"""The limit on the cost of one run, checked against a prediction before it and against the meter during it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal

from services.costs.bill import AthenaScan, Biller, Call, Tally, Usage
from services.errors import BudgetExceeded

NEVER_STOPPED = frozenset({"restore", "drill"})
"""Jobs that the limit never stops: in a disaster, and in the test of one, the data matter more."""
_RELEASING: ContextVar[bool] = ContextVar("releasing", default=False)


@contextmanager
def releasing() -> Iterator[None]:
    """Exempt this thread's requests from the limit: they give back what the run holds, such as its lease."""
    before = _RELEASING.set(True)
    try:
        yield
    finally:
        _RELEASING.reset(before)


class Budget:
    """A limit in dollars for one run. It is not enforced against an endpoint that bills nothing."""

    def __init__(self, biller: Biller, limit: Decimal, *, enforced: bool = True) -> None:
        self.limit = limit
        self.enforced = enforced
        self._biller = biller

    def expect(self, usage: Usage, work: str) -> Decimal:
        """Return the predicted cost of some work, in dollars. Raises BudgetExceeded if it is over the limit."""
        predicted = self._biller.cost(usage)
        if self.enforced and predicted > self.limit:
            raise BudgetExceeded(
                f"{work} would cost about ${predicted:.9f}, more than the ${self.limit:f} that a run may cost. "
                "Nothing was done."
            )
        return predicted

    def price(self, call: Call, tally: Tally) -> Decimal:
        """Return the cost of these requests."""
        return self._biller.cost_of(call, tally)

    def price_scan(self, scan: AthenaScan) -> Decimal:
        """Return the cost of these queries."""
        return self._biller.cost(Usage(scan=scan))

    def check(self, cost: Decimal) -> None:
        """Stop the request that would bring the run over the limit. Raises BudgetExceeded."""
        if self.enforced and cost > self.limit and not _RELEASING.get():
            raise BudgetExceeded(
                f"The next request would bring this run to ${cost:.9f}, over the ${self.limit:f} that a run may cost. "
                "It was not sent."
            )
