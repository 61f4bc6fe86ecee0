"""The small bars of the tables, drawn as SVG in the page itself."""

from __future__ import annotations

from markupsafe import Markup

from predictor.forecasting import TaskForecast
from predictor.forecasting.grade import NOT_FORECASTABLE


def interval_bar(forecast: TaskForecast) -> Markup:
    """Draw one forecast on a scale from 0 to 100% as inline SVG: 95% and 80% interval, median, chance, largest run.

    Colours come from the page's style sheet by class, and the numbers stand in the table beside: it is hidden from
    screen readers.
    """
    firm = forecast.grade != NOT_FORECASTABLE
    parts = ['<line class="bar-axis" x1="0" x2="200" y1="12" y2="12"/>']
    for level, top, height in (("95", 8.5, 7), ("80", 5.5, 13)):
        low, high = (200 * end for end in forecast.intervals[level])
        place = f'x="{low:.1f}" y="{top}" width="{max(high - low, 1):.1f}" height="{height}"'
        parts.append(f'<rect class="bar-{level}" {place} rx="1.5"/>')
    if forecast.chance is not None:
        x = 200 * forecast.chance
        parts.append(f'<line class="bar-chance" x1="{x:.1f}" x2="{x:.1f}" y1="1" y2="23"/>')
    if forecast.largest is not None:
        # A triangle under the axis leaves the intervals free.
        parts.append(f'<path class="bar-largest" d="M{200 * forecast.largest:.1f} 19.5l-3.5 5.5h7z"/>')
    if firm:
        x = 200 * forecast.median
        parts.append(f'<line class="bar-median" x1="{x:.1f}" x2="{x:.1f}" y1="2.5" y2="21.5"/>')
    kind = "bar" if firm else "bar bar-unsure"
    # Only numbers of ours were put in.
    return Markup(
        f'<svg class="{kind}" viewBox="-4 0 208 26" width="208" height="26" aria-hidden="true" focusable="false">'
        f"{''.join(parts)}</svg>"
    )
