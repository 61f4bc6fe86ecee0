"""Clusters of items: how their scores grow."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from predictor.difficulty import ClusterAnalysis
from predictor.report.figures.benchmark import layout
from predictor.report.figures.style import LIGHT, percent, significant


def clusters_figure(found: ClusterAnalysis) -> dict[str, Any]:
    """Draw the curves of a task's item clusters over compute: solid where a forecast may rest on them, else dotted.

    Returns:
        a plotly figure like that of `benchmark_figure`.
    """
    flops = found.table.flops[found.observations]
    order = np.argsort(flops, kind="stable")
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"{one.size} items" if one.number < 0 else f"cluster {one.number}",
            "x": significant(flops[order]),
            "y": percent(one.curve[order]),
            "line": {
                "color": LIGHT["curve" if one.kept else "unsure"],
                "width": round(1 + 4 * one.size / found.table.item.size, 2),
                "dash": "solid" if one.kept else "dot",
            },
            "hovertemplate": f"{one.size} items, {html.escape(one.verdict)}<br>%{{y:.1f}} %<extra></extra>",
        }
        for one in found.clusters
    ]
    heights = np.concatenate([100 * one.curve for one in found.clusters])
    return {"data": traces, "layout": layout(flops, heights, found.floor or None)}
