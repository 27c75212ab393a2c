"""The price file: what it says, where from, and what AWS's price list says now."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.runner import Json, run_without_settings

if TYPE_CHECKING:
    from rich.console import Console

Region = Annotated[str | None, typer.Option("--region", help="Only this region's prices.")]


@dataclass(frozen=True)
class PriceRow:
    """One price as a person reads it."""

    region: str
    usage: str
    usd: Decimal
    unit: str
    tier_from: Decimal
    source: str
    source_title: str
    source_date: str
    note: str


def command(region: Region = None, as_json: Json = False) -> None:
    """Print every price that costs are calculated with, its source and that source's date."""
    run_without_settings("prices", lambda: prices(region), show, as_json=as_json)


def prices(region: str | None) -> list[PriceRow]:
    """The prices of one region, or of all. Raises PriceMissing for a region without any."""
    from services.costs.prices import PriceMissing, load_prices

    listed = load_prices()
    if region is not None and region not in listed.regions:
        raise PriceMissing(f"There are no prices for the region {region!r}, only for {', '.join(listed.regions)}.")
    chosen = [region] if region else listed.regions
    return [
        PriceRow(
            region=price.region,
            usage=price.usage,
            usd=price.usd,
            unit=price.unit if price.per == 1 else f"{price.per:,} {price.unit}s",
            tier_from=price.tier_from,
            source=price.source.key,
            source_title=price.source.title,
            source_date=price.source.date,
            note=price.note,
        )
        for name in chosen
        for (_, where), tiers in listed.prices.items()
        if where == name
        for price in tiers
    ]


def show(rows: list[PriceRow], console: Console) -> None:
    """Prints a table for each region, then the sources and the notes that it points to."""
    from rich.table import Table

    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    for region in dict.fromkeys(row.region for row in rows):
        table = Table(box=None, pad_edge=False, header_style="bold", title=region, title_justify="left")
        for heading in ("usage", "USD", "for", "source", "note"):
            table.add_column(heading, justify="right" if heading == "USD" else "left", no_wrap=True)
        for row in rows:
            if row.region == region:
                usage = row.usage if not row.tier_from else f"  beyond {row.tier_from:,}"
                note = f"({notes.index(row.note) + 1})" if row.note else ""
                table.add_row(usage, str(row.usd), row.unit, row.source, note)
        console.print(table)
        console.print()
    for source, title, stated in dict.fromkeys((row.source, row.source_title, row.source_date) for row in rows):
        console.print(f"{source}: {title}, {stated}")
    for number, note in enumerate(notes, 1):
        console.print(f"({number}) {note}")
