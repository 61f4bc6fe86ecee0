"""Write the tables of the examples from the demo's store: real scores of the tiny ladder.

predictor demo --out demo
python examples/make_tables.py demo/store
"""

import sys
from pathlib import Path

import pandas as pd

from predictor.results import read_results

FOLDER = Path(__file__).parent
COLUMNS = ["family", "run", "params", "tokens", "tokens_planned", "task", "metric", "value", "n_items", "num_fewshot"]
HEADLINE = ["acc", "exact_match", "bpb"]
LAST_FOUR = ["15k", "33k", "66k", "133k"]


def main(store: Path) -> None:
    """Write ladder.csv (all checkpoints), four_models.csv (the ends of four runs) and truth.csv (the target's end)."""
    scores = read_results(store, roles=("ladder", "target")).evals
    losses = scores["task"].str.startswith("loss:")
    kept = scores[scores["metric"].isin(HEADLINE) & (losses == scores["metric"].eq("bpb"))]
    kept = kept.sort_values(["params", "tokens", "task"])[COLUMNS].round({"value": 4})
    ended = kept["tokens"] == kept["tokens_planned"]
    tables: dict[str, pd.DataFrame] = {
        "ladder.csv": kept[kept["run"] != "target"],
        "four_models.csv": kept[kept["run"].isin(LAST_FOUR) & ended],
        "truth.csv": kept[(kept["run"] == "target") & ended & ~kept["task"].str.startswith("loss:")],
    }
    for name, table in tables.items():
        table.to_csv(FOLDER / name, index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
