"""Laws are fitted to the rows of a table, with every input that the table gives."""

import numpy as np
import pytest

from predictor.errors import InputError
from predictor.forecasting.law_table import fit_law_to_results
from predictor.laws import Law, Parameter, get_law
from predictor.laws.inputs import CHANCE, LOSS, PARAMS
from predictor.results import read_results

BESIDE_LOSS = Law(
    name="beside_loss",
    title="score from loss, above chance",
    text="Acc = g + (1 - g)·exp(-k·L)",
    inputs=(LOSS, CHANCE, PARAMS),
    output="score in [0, 1]",
    parameters=(Parameter("k", "decay", 1e-3, 1e2, (0.1, 3.0), "log"),),
    formula=lambda x, p: x["chance"] + (1 - x["chance"]) * np.exp(-p["k"] * x["loss"]) + 0 * x["params"],
    source="none",
    gives="score",
)


def test_a_law_may_read_a_loss_beside_other_inputs(ladder_folder):
    results = read_results(ladder_folder)
    fit = fit_law_to_results(BESIDE_LOSS, results, task="easy", loss="loss:heldout")
    losses = results.evals[results.evals["task"] == "loss:heldout"]
    assert fit.status == "converged"
    np.testing.assert_array_equal(fit.problem.inputs["chance"], 0.25)
    by_size = dict(zip(losses["params"].astype(float), losses["value"], strict=True))
    assert [by_size[size] for size in fit.problem.inputs["params"]] == fit.problem.inputs["loss"].tolist()


def test_what_a_table_does_not_hold_is_named(ladder_folder):
    with pytest.raises(InputError, match="does not hold; name columns with --inputs"):
        fit_law_to_results(get_law("lr_annealing"), read_results(ladder_folder), task="easy")
