"""What an item's record says."""

import numpy as np
import pandas as pd
import pytest

from predictor.results.item_measures import measure_items


def rows(likelihoods, gold, sizes):
    return pd.DataFrame(
        {
            "correct": [1.0],
            "samples": pd.array([pd.NA], dtype="Int64"),
            "passes": pd.array([pd.NA], dtype="Int64"),
            "log_likelihoods": [likelihoods],
            "byte_lengths": [sizes],
            "gold": pd.array([gold], dtype="Int64"),
        }
    )


def test_a_choice_of_known_log_likelihoods():
    found = measure_items(rows([np.log(0.2), np.log(0.1), np.log(0.1)], 0, [4, 2, 2]))
    assert found["probability"][0] == pytest.approx(0.5)
    assert found["nats"][0] == pytest.approx(-np.log(0.2))
    assert found["nats_per_byte"][0] == pytest.approx(-np.log(0.2) / 4)
    assert found["margin"][0] == pytest.approx(np.log(2))
    assert np.isnan(found["pass_rate"][0])


def test_log_likelihoods_far_below_what_exp_can_carry():
    found = measure_items(rows([-2000.0, -2000.0 - np.log(3)], 0, [1, 1]))
    assert found["probability"][0] == pytest.approx(0.75)
