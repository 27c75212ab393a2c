"""Charts as SVG, readable on a light and on a dark page, with the same bytes for the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 210, 52, 56
_ROW = 26
_STYLE = """
svg { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; color-scheme: light dark; }
.page { fill: #ffffff; } text { fill: #24292f; } .quiet { fill: #57606a; } .title { font-size: 16px; font-weight: 600; }
.grid { stroke: #d8dee4; } .axis { stroke: #57606a; } .cross { fill: #ffffff; stroke: #24292f; stroke-width: 1.5; }
.mark { font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 4; }
.line { fill: none; stroke-width: 2.25; }
.c0 { stroke: #0550ae; } .c1 { stroke: #1a7f37; } .c2 { stroke: #bc4c00; } .c3 { stroke: #8250df; }
.f0 { fill: #0550ae; } .f1 { fill: #1a7f37; } .f2 { fill: #bc4c00; } .f3 { fill: #8250df; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; }
.mark { stroke: #0d1117; }
.grid { stroke: #30363d; } .axis { stroke: #9198a1; } .cross { fill: #0d1117; stroke: #e6edf3; }
.c0 { stroke: #79c0ff; } .c1 { stroke: #56d364; } .c2 { stroke: #ffa657; } .c3 { stroke: #d2a8ff; }
.f0 { fill: #79c0ff; } .f1 { fill: #56d364; } .f2 { fill: #ffa657; } .f3 { fill: #d2a8ff; }
}"""
_DASHES = ("", "9 4", "2 4", "12 4 2 4")  # lines differ without colours too


@dataclass(frozen=True)
class Mark:
    """A point worth a circle, with what it says beside it."""

    x: Decimal
    y: Decimal
    text: str


@dataclass(frozen=True)
class _Scale:
    """Maps values to pixels by their logarithm."""

    low: Decimal
    high: Decimal
    begin: int
    end: int

    def __call__(self, value: Decimal) -> float:
        clipped = min(max(value, self.low), self.high)
        share = (clipped / self.low).ln() / self._span
        return float(self.begin + share * (self.end - self.begin))

    @cached_property
    def _span(self) -> Decimal:
        return (self.high / self.low).ln()

    def ticks(self) -> list[Decimal]:
        """Powers of ten, with their doubles and fives where there are few."""
        decades = range(self.low.adjusted(), self.high.adjusted() + 1)
        steps = (1, 2, 5) if len(decades) <= 3 else (1,)
        found = [Decimal(step).scaleb(power) for power in decades for step in steps]
        return [tick for tick in found if self.low <= tick <= self.high]


def number(value: Decimal) -> str:
    """Three figures, without an exponent: '1,000', '0.05', '12.3'."""
    if value == 0:
        return "0"
    places = max(0, 2 - value.adjusted())
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def dollars(value: Decimal) -> str:
    """Three figures of US dollars."""
    return f"${number(value)}"


def line_chart(
    title: str,
    x_label: str,
    y_label: str,
    x: Sequence[Decimal],
    series: Mapping[str, Sequence[Decimal | None]],
    marks: Sequence[Mark] = (),
    shown: Callable[[Decimal], str] = dollars,
) -> str:
    """Curves over two logarithmic axes, the name of each beside its end, and circles at the marks.

    `shown` writes the values of the upright axis. Zeros are drawn at the lower edge, and where a value is None the
    curve ends.
    """
    positive = [value for values in series.values() for value in values if value]
    across = _Scale(x[0], x[-1], _LEFT, WIDTH - _RIGHT)
    up = _Scale(_floor(min(positive)), _ceiling(max(positive)), HEIGHT - _BOTTOM, _TOP)
    body = [*_axes(across, up, x_label, y_label, shown)]
    lefts = [across(at) for at in x]
    drawn = {
        name: [(left, up(value)) for left, value in zip(lefts, values, strict=True) if value is not None]
        for name, values in series.items()
    }
    places = _spread([points[-1][1] for points in drawn.values()])
    for place, (name, pairs) in enumerate(drawn.items()):
        points = " ".join(f"{left:.1f},{top:.1f}" for left, top in pairs)
        dash = f' stroke-dasharray="{_DASHES[place]}"' if _DASHES[place] else ""
        body.append(f'<polyline class="line c{place}"{dash} points="{points}"/>')
        body.append(_text(WIDTH - _RIGHT + 8, places[place] + 4, name, f"f{place}"))
    for mark in marks:
        left, top = across(mark.x), up(mark.y)
        body.append(f'<circle class="cross" cx="{left:.1f}" cy="{top:.1f}" r="4.5"/>')
        body.append(_text(left, top - 10, mark.text, "mark", anchor="middle"))
    return _svg(title, HEIGHT, body)


def bar_chart(
    title: str,
    x_label: str,
    bars: Sequence[tuple[str, Decimal, int]],
    shown: Callable[[Decimal], str] = dollars,
) -> str:
    """Horizontal bars over a logarithmic axis: what, its value, and which of the four colours.

    `shown` writes a bar's value.
    """
    positive = [value for _, value, _ in bars if value > 0]
    left, height = 330, _TOP + _ROW * len(bars) + _BOTTOM
    across = _Scale(_floor(min(positive)), _ceiling(max(positive)), left, WIDTH - 110)
    body = []
    for tick in across.ticks():
        place = across(tick)
        body.append(f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>')
        body.append(_text(place, height - _BOTTOM + 18, number(tick), "quiet", anchor="middle"))
    for row, (what, value, colour) in enumerate(bars):
        top = _TOP + row * _ROW
        length = max(across(value) - left, 2) if value > 0 else 0
        body.append(_text(left - 8, top + 17, what, anchor="end"))
        body.append(
            f'<rect class="f{colour}" x="{left}" y="{top + 4}" width="{length:.1f}" height="{_ROW - 8}" rx="2"/>'
        )
        body.append(_text(left + length + 6, top + 17, shown(value), "quiet"))
    body.append(_text((left + WIDTH - 110) / 2, height - 14, x_label, "quiet", anchor="middle"))
    return _svg(title, height, body)


def _axes(across: _Scale, up: _Scale, x_label: str, y_label: str, shown: Callable[[Decimal], str]) -> list[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    body = []
    for tick in across.ticks():
        place = across(tick)
        body.append(f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        body.append(_text(place, bottom + 18, number(tick), "quiet", anchor="middle"))
    for tick in up.ticks():
        place = up(tick)
        body.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>')
        body.append(_text(_LEFT - 8, place + 4, shown(tick), "quiet", anchor="end"))
    body.append(f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    body.append(_text((_LEFT + right) / 2, HEIGHT - 14, x_label, "quiet", anchor="middle"))
    body.append(_text(_LEFT - 8, _TOP - 10, y_label, "quiet"))
    return body


def _spread(places: Sequence[float]) -> list[float]:
    """The places of labels, moved apart where they would cover each other."""
    order = sorted(range(len(places)), key=lambda place: places[place])
    spread = list(places)
    for before, after in pairwise(order):
        spread[after] = max(spread[after], spread[before] + 16)
    return spread


def _text(x: float, y: float, text: str, css: str = "", anchor: str = "") -> str:
    attributes = (f' class="{css}"' if css else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(text)}</text>'


def _svg(title: str, height: int, body: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}\n</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>',
        _text(16, 26, title, "title"),
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _floor(value: Decimal) -> Decimal:
    return Decimal(1).scaleb(value.adjusted())


def _ceiling(value: Decimal) -> Decimal:
    """The next 1, 2, 5 or 10 above a value: above, so that an axis has a length even where all values are one."""
    power = Decimal(1).scaleb(value.adjusted())
    return next(step * power for step in (1, 2, 5, 10) if step * power > value)
