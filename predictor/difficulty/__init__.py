"""Which items of a benchmark can be forecast, and what they say about the rest."""

from predictor.difficulty.bins import forecast_from_bins
from predictor.difficulty.clustering import Clustering, cluster
from predictor.difficulty.clusters import Cluster, ClusterAnalysis, analyse, analyse_tasks
from predictor.difficulty.forecast import DifficultyForecast, fit_difficulty
from predictor.difficulty.item_response import ItemResponse, fit_item_response
from predictor.difficulty.items import ItemTable, item_table
from predictor.difficulty.mapping import SubsetMap, fit_subset_map
from predictor.difficulty.route import ItemForecast, fit_from_items, fit_tasks_from_items, judge
from predictor.difficulty.short_list import ShortList, choose_items
from predictor.difficulty.through_subset import SubsetForecast, fit_through_subset
from predictor.results.passes import expected_tries, pass_at_k, pass_until

__all__ = [
    "Cluster",
    "ClusterAnalysis",
    "Clustering",
    "DifficultyForecast",
    "ItemForecast",
    "ItemResponse",
    "ItemTable",
    "ShortList",
    "SubsetForecast",
    "SubsetMap",
    "analyse",
    "analyse_tasks",
    "choose_items",
    "cluster",
    "expected_tries",
    "fit_difficulty",
    "fit_from_items",
    "fit_item_response",
    "fit_subset_map",
    "fit_tasks_from_items",
    "fit_through_subset",
    "forecast_from_bins",
    "item_table",
    "judge",
    "pass_at_k",
    "pass_until",
]
