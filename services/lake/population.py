"""Rows of a shop that never was: drawn in whole columns, the same for the same seed.

Activity is heavy-tailed: the busiest tenth of the users does two fifths of everything. Weekdays differ from
weekends and noon from night. Amounts are log-normal. Every row's user is one of 1 to `users`, every purchase names
an order of its day. Everything is a function of (seed, table, day, chunk), so that days can be drawn in any order,
by any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from services.lake.layout import from_numpy
from services.lake.tables import EVENTS, ORDERS

Integers = npt.NDArray[np.int64]

pc: Any = pyarrow.compute  # whose type stubs do not know scalars among arrays

_EPOCH = date(2000, 1, 1)
_MS_PER_DAY = 86_400_000
_LEVELS = 65_536  # choices are looked up by 16 random bits: to 1/65536 of the weight that is asked for

# Share of an average day's rows, Monday to Sunday.
_ORDERS_WEEK = (1.08, 1.06, 1.05, 1.06, 1.10, 0.86, 0.79)
_EVENTS_WEEK = (1.14, 1.13, 1.12, 1.10, 1.06, 0.75, 0.70)
# Share of a day's rows in each hour, UTC.
_HOURS = (2, 1, 1, 1, 1, 2, 3, 5, 7, 8, 9, 9, 8, 8, 8, 8, 8, 8, 9, 10, 10, 9, 7, 4)

_STATUSES = {"delivered": 58, "shipped": 14, "paid": 12, "cancelled": 7, "pending": 6, "refunded": 3}
_PATHS = ("/", "/pricing", "/docs", "/products", "/products/popular", "/cart", "/account", "/blog", "/search", "/help")
_BUTTONS = ("buy", "add-to-cart", "menu", "search", "sign-up", "share")
_EVENT_PAYLOADS: dict[str, tuple[int, tuple[str, ...]]] = {
    "page_view": (52, tuple(f'{{"path": "{path}"}}' for path in _PATHS)),
    "click": (22, tuple(f'{{"button": "{button}"}}' for button in _BUTTONS)),
    "login": (11, ('{"method": "password"}', '{"method": "sso"}', '{"method": "passkey"}')),
    "logout": (8, ("{}",)),
    "signup": (1, ('{"source": "search"}', '{"source": "friend"}', '{"source": "ad"}')),
    "purchase": (6, ()),  # its payload names an order of the same day
}


@dataclass(frozen=True)
class Population:
    """How many users there are, how many rows an average day has, and the seed of it all."""

    users: int
    rows_per_day: int
    seed: int

    def rows(self, table: str, day: date) -> int:
        """How many rows the day has, by its weekday."""
        return round(self.rows_per_day * _WEEKS[table][day.weekday()])

    def first_id(self, day: date) -> int:
        """The id of the day's first row: ids grow from day to day and never meet."""
        busiest = max(max(week) for week in _WEEKS.values())
        return (day - _EPOCH).days * round(self.rows_per_day * busiest + 1) + 1

    def draw(self, table: str, day: date, start: int, count: int) -> pa.Table:
        """Rows `start` to `start + count` of the table's day, in the order of their time."""
        code = list(DRAWN).index(table)
        entropy = (self.seed, code, day.toordinal(), start)
        random = np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy)))
        return DRAWN[table](_Chunk(self, table, day, start, count, random))


@dataclass(frozen=True)
class _Chunk:
    population: Population
    table: str
    day: date
    start: int
    count: int
    random: np.random.Generator

    def ids(self) -> Integers:
        first = self.population.first_id(self.day) + self.start
        return np.arange(first, first + self.count, dtype=np.int64)

    def user_ids(self) -> Integers:
        """Users by a power law: the share of the busiest q of all users is q to the power 0.4."""
        users = self.population.users
        rank = (self.random.random(self.count) ** 2.5 * users).astype(np.int64)
        return (rank * _stride(users)) % users + 1  # so that the busy ones are not simply the first ones

    def times(self) -> Any:
        """Times of the day in order, more by day than by night: one in each of as many slots as there are rows."""
        whole = self.population.rows(self.table, self.day)
        slots = np.arange(self.start, self.start + self.count, dtype=np.float64)
        share = (slots + self.random.random(self.count)) / whole
        hours = np.concatenate([[0.0], np.cumsum(_HOURS)])
        since_midnight = np.interp(share, hours / hours[-1], np.linspace(0, _MS_PER_DAY, len(hours)))
        midnight = (self.day - date(1970, 1, 1)).days * _MS_PER_DAY
        milliseconds = midnight + np.minimum(since_midnight.astype(np.int64), _MS_PER_DAY - 1)
        return from_numpy(milliseconds, pa.timestamp("ms", tz="UTC"))

    def choose(self, table_of_levels: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        return table_of_levels[self.random.integers(0, _LEVELS, self.count, dtype=np.uint16)]


def _orders(chunk: _Chunk) -> pa.Table:
    cents = np.exp(chunk.random.standard_normal(chunk.count, dtype=np.float32) * np.float32(0.9) + np.float32(8.3))
    columns = [
        from_numpy(chunk.ids(), pa.int64()),
        from_numpy(chunk.user_ids(), pa.int64()),
        _decimals(np.maximum(cents.astype(np.int64), 50)),
        pa.DictionaryArray.from_arrays(from_numpy(chunk.choose(_STATUS_LEVELS), pa.int16()), pa.array(list(_STATUSES))),
        chunk.times(),
    ]
    return pa.table(columns, schema=_by_dictionary(ORDERS.schema, "status"))


def _events(chunk: _Chunk) -> pa.Table:
    choice = chunk.choose(_PAYLOAD_LEVELS)
    columns = [
        from_numpy(chunk.ids(), pa.int64()),
        from_numpy(chunk.user_ids(), pa.int64()),
        pa.DictionaryArray.from_arrays(
            from_numpy(_TYPE_OF_PAYLOAD[choice], pa.int8()), pa.array(list(_EVENT_PAYLOADS))
        ),
        _payloads(chunk, choice),
        chunk.times(),
    ]
    return pa.table(columns, schema=_by_dictionary(EVENTS.schema, "event_type"))


def _payloads(chunk: _Chunk, choice: npt.NDArray[np.int16]) -> Any:
    """The chosen texts; a purchase names an order of the same day."""
    purchases = np.flatnonzero(choice == len(_PAYLOADS))
    population = chunk.population
    orders = population.rows(ORDERS.name, chunk.day)
    bought = population.first_id(chunk.day) + chunk.random.integers(0, max(orders, 1), len(purchases))
    texts = pc.binary_join_element_wise('{"order_id": ', from_numpy(bought, pa.int64()).cast(pa.string()), "}", "")
    where = choice.astype(np.int64)
    where[purchases] += np.arange(len(purchases))
    return pc.take(pa.concat_arrays([pa.array(_PAYLOADS, pa.string()), texts]), from_numpy(where, pa.int64()))


def _decimals(cents: Integers) -> Any:
    """Whole cents as decimal(12,2), without a float on the way."""
    wide = np.zeros((len(cents), 2), dtype=np.int64)
    wide[:, 0] = cents
    return from_numpy(wide, pa.decimal128(12, 2))


def _by_dictionary(schema: pa.Schema, name: str) -> pa.Schema:
    index = schema.get_field_index(name)
    return schema.set(index, schema.field(index).with_type(pa.dictionary(pa.int16(), pa.string())))


def _levels(weights: list[float]) -> npt.NDArray[np.int16]:
    """A table of choices, each as often as its weight asks."""
    edges = np.round(np.cumsum(weights) / sum(weights) * _LEVELS).astype(np.int64)
    return np.repeat(np.arange(len(weights)), np.diff(edges, prepend=0)).astype(np.int16)


def _stride(users: int) -> int:
    """A step that visits every user once before it meets one again."""
    step = max(1, round(users * 0.618))
    while gcd(step, users) != 1:
        step += 1
    return step


_WEEKS = {ORDERS.name: _ORDERS_WEEK, EVENTS.name: _EVENTS_WEEK}
DRAWN: dict[str, Callable[[_Chunk], pa.Table]] = {ORDERS.name: _orders, EVENTS.name: _events}
_STATUS_LEVELS = _levels([float(weight) for weight in _STATUSES.values()])
_PAYLOADS = [text for _, texts in _EVENT_PAYLOADS.values() for text in texts]
_PAYLOAD_LEVELS = _levels(
    [weight / max(len(texts), 1) for weight, texts in _EVENT_PAYLOADS.values() for _ in texts or ("",)]
)
_TYPE_OF_PAYLOAD = np.array(
    [number for number, (_, texts) in enumerate(_EVENT_PAYLOADS.values()) for _ in texts or ("",)], dtype=np.int8
)
