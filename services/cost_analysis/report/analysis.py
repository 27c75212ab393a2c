"""The whole analysis: a Markdown document and its charts, as values and as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.cost_analysis.model.figures import strategies_run
from services.cost_analysis.report.inputs import Inputs, size_name
from services.cost_analysis.report.lake import lake_chart, lake_values
from services.cost_analysis.report.sections import by_size, figures_table, measured_table, own_run
from services.cost_analysis.report.strategies import monthly_chart, strategies_values
from services.cost_analysis.report.text import figure
from services.cost_analysis.report.turns import sweeps, turning_charts, turning_values
from services.errors import FolderUnusable

TEMPLATE = Path(__file__).with_name("analysis.md")
_PUBLISHED = (
    "dump_mb_per_second",
    "load_mb_per_second",
    "physical_ratio",
    "poor_physical_ratio",
    "replay_mb_per_second",
)


@dataclass(frozen=True)
class Analysis:
    """The document, and the charts that it shows by their file names."""

    document: str
    charts: dict[str, str]


def analyse(inputs: Inputs) -> Analysis:
    """The analysis of these inputs. Raises InputError or PriceMissing for what cannot be calculated at all."""
    found = sweeps(inputs)
    charts = {"monthly.svg": monthly_chart(inputs), **turning_charts(found)}
    asked = lake_chart(inputs)
    if asked is not None:
        charts["lake.svg"] = asked
    values = {
        **_general(inputs),
        **strategies_values(inputs),
        **turning_values(found, inputs.charts),
        **lake_values(inputs),
        "f": {known.name: figure(known.value) for known in inputs.figures},
        "by_size": by_size(inputs),
        "measured_table": measured_table(strategies_run()),
        "figures_table": figures_table(inputs),
        "own_run": own_run(inputs.demo),
        "chart_monthly": f"![Dollars a month]({inputs.charts}/monthly.svg)",
        "chart_lake": f"![One question asked in every way]({inputs.charts}/lake.svg)" if asked else "",
    }
    return Analysis(TEMPLATE.read_text(encoding="utf-8").format_map(values), charts)


def _general(inputs: Inputs) -> dict[str, str]:
    figures = inputs.figures
    sizes = [size_name(size) for size in inputs.sizes]
    here = [tiers for (_, region), tiers in inputs.prices.prices.items() if region == inputs.region]
    published = [figures.figure(f"published_{name}") for name in _PUBLISHED]
    return {
        "sizes": f"{', '.join(sizes[:-1])} and {sizes[-1]}" if len(sizes) > 1 else sizes[0],
        "region": inputs.region,
        "centre": size_name(inputs.centre.database_bytes),
        "oldest_price": min(price.source.date for tiers in here for price in tiers),
        "daily_change": figure(figures["daily_change"] * 100),
        "measured_on": figures.figure("load_mb_per_second").known_from,
        "published": "\n".join(
            f"- {figure(known.value)} {known.unit}: [{known.known_from}]({known.url})" for known in published
        ),
    }


def _contents(inputs: Inputs, document: Path) -> dict[Path, str]:
    analysis = analyse(inputs)
    charts = document.parent / inputs.charts
    return {document: analysis.document, **{charts / name: text for name, text in analysis.charts.items()}}


def write(inputs: Inputs, document: Path) -> tuple[Path, ...]:
    """Write the document and its charts, and return their paths, the document first. Raises FolderUnusable."""
    contents = _contents(inputs, document)
    try:
        for path, text in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FolderUnusable(f"'{error.filename}' cannot be written: {(error.strerror or 'error').lower()}.") from error
    return tuple(contents)


def stale(inputs: Inputs, document: Path) -> tuple[str, ...]:
    """Return the files that differ from what `write` would write now."""
    contents = _contents(inputs, document)
    return tuple(str(path) for path, text in contents.items() if not path.is_file() or path.read_text("utf-8") != text)
