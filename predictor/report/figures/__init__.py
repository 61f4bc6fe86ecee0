"""Everything that is drawn, by one hand: plotly figures as plain data, and the small bars of the tables."""

from predictor.report.figures.backtest import backtest_figure
from predictor.report.figures.bars import interval_bar
from predictor.report.figures.benchmark import benchmark_figure
from predictor.report.figures.clusters import clusters_figure
from predictor.report.figures.coverage import coverage_figure
from predictor.report.figures.losses import loss_figure
from predictor.report.figures.path import path_figure, signal_figure
from predictor.report.figures.runs import runs_figure
from predictor.report.figures.sensitivity import sensitivity_figure
from predictor.report.figures.style import COLOURS

__all__ = [
    "COLOURS",
    "backtest_figure",
    "benchmark_figure",
    "clusters_figure",
    "coverage_figure",
    "interval_bar",
    "loss_figure",
    "path_figure",
    "runs_figure",
    "sensitivity_figure",
    "signal_figure",
]
