"""The price file: what it says, where from, and what AWS's price list says now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.runner import Json, Yes, run_job, run_without_settings

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.cli.context import Run
    from services.costs.refresh import Difference

Region = Annotated[str | None, typer.Option("--region", metavar="REGION", help="Only this region's prices.")]
Refresh = Annotated[
    bool, typer.Option("--refresh", help="Compare with AWS's price list, show the differences, ask, then write them.")
]


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


def command(
    ctx: typer.Context, region: Region = None, refresh: Refresh = False, yes: Yes = False, as_json: Json = False
) -> None:
    """Print every price used in cost calculations, with its source and date.

    --refresh needs a network and an AWS account; it asks before it writes, and with --region adds a new region.
    """
    if refresh:
        run_job(ctx, "prices", lambda run: refreshed(run, region, yes=yes), show_refreshed, as_json=as_json)
    else:
        run_without_settings(ctx, "prices", lambda: prices(region), show, as_json=as_json)


def prices(region: str | None) -> list[PriceRow]:
    """The prices of one region, or of all. Raises PriceMissing for a region without any."""
    from services.costs.prices import PriceMissing, load_prices

    listed = load_prices()
    if region is not None and region not in listed.regions:
        raise PriceMissing.of_region(region, listed.regions)
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
    from jobs.cli.console import print_table

    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    for region in dict.fromkeys(row.region for row in rows):
        console.print(region, style="bold")
        listed = [
            [
                row.usage if not row.tier_from else f"  beyond {row.tier_from:,}",
                str(row.usd),
                row.unit,
                row.source,
                f"({notes.index(row.note) + 1})" if row.note else "",
            ]
            for row in rows
            if row.region == region
        ]
        print_table(console, ["usage", "USD", "for", "source", "note"], listed, ["USD"])
        console.print()
    for source, title, stated in dict.fromkeys((row.source, row.source_title, row.source_date) for row in rows):
        console.print(f"{source}: {title}, {stated}", soft_wrap=True)
    for number, note in enumerate(notes, 1):
        console.print(f"({number}) {note}", soft_wrap=True)


@dataclass(frozen=True)
class RefreshReport:
    """What AWS's list has otherwise than the price file, what was not found there, and whether it was written.

    `region` is the one that was asked about, None for all of the price file's.
    """

    differences: tuple[Difference, ...]
    left_out: dict[str, str]
    written: bool
    region: str | None = None


def refreshed(run: Run, region: str | None, *, yes: bool) -> RefreshReport:
    """Holds the price file against AWS's list. Raises InputError against an endpoint that is not AWS."""
    from jobs.preflight import require_caller
    from services.costs.pricelist import AwsPriceList
    from services.costs.prices import PRICE_FILE, load_prices
    from services.costs.refresh import differences, rewritten
    from services.errors import FolderUnusable, InputError

    if run.settings.aws_endpoint_url is not None:
        raise InputError(
            "The price list is AWS's own; this run is set to another endpoint.", next_step="Unset AWS_ENDPOINT_URL."
        )
    require_caller(run)
    listed = load_prices()
    like = listed.regions[0]
    found: list[Difference] = []
    left_out: dict[str, str] = {}
    for name in [region] if region else listed.regions:
        usages = sorted({usage for usage, _ in listed.prices})
        offers, missing = AwsPriceList(run.aws.pricing, name).offers(usages)
        found += differences(listed, name, offers, like)
        left_out |= {f"{usage} in {name}": why for usage, why in missing.items()}
    write = bool(found) and (yes or (run.interactive and _confirmed(found)))
    if write:
        try:
            PRICE_FILE.write_text(rewritten(PRICE_FILE.read_text(encoding="utf-8"), found), encoding="utf-8")
        except OSError as error:
            raise FolderUnusable(f"The price file cannot be written: {(error.strerror or 'error').lower()}.") from error
        load_prices.cache_clear()
    return RefreshReport(tuple(found), left_out, write, region)


def _confirmed(found: list[Difference]) -> bool:
    from jobs.cli.console import Output

    _show_differences(found, Output(stderr=True))
    return typer.confirm("Write these into the price file?", err=True)


def show_refreshed(report: RefreshReport, console: Console) -> str | None:
    """Print the differences, and the usages that the list does not have."""
    _show_differences(report.differences, console)
    for why in dict.fromkeys(report.left_out.values()):
        names = [name for name, reason in report.left_out.items() if reason == why]
        console.print(f"{why}, left as they are: {', '.join(names)}", soft_wrap=True)
    if not report.differences:
        console.print("The price file says what AWS's list says.")
    elif report.written:
        console.print("Written to the price file.")
        return "make cost"
    else:
        console.print("Nothing was written.")
        return "shoreline prices --refresh --yes" + (f" --region {report.region}" if report.region else "")
    return None


def _show_differences(found: Sequence[Difference], console: Console) -> None:
    from jobs.cli.console import print_table
    from services.costs.bill import plain

    rows = [
        [
            difference.region,
            difference.usage if not difference.tier_from else f"{difference.usage} beyond {difference.tier_from:,}",
            "none" if difference.old is None else plain(difference.old),
            plain(difference.new),
            difference.unit if difference.per == 1 else f"{difference.per:,} {difference.unit}s",
        ]
        for difference in found
    ]
    if rows:
        print_table(console, ["region", "usage", "file", "AWS", "for"], rows, ["file", "AWS"])
