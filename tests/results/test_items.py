"""Items of one task, from wherever they are kept."""

import numpy as np
import pandas as pd
import pytest

from predictor.errors import InputError, UnknownNameError
from predictor.results import read_results


def test_published_items_have_one_row_per_checkpoint(testbed):
    frame = read_results(testbed("gemstones")).items("openbookqa")
    assert len(frame) == 18 * 35
    assert {len(values) for values in frame["values"]} == {500}


def test_items_beside_a_table_are_found(ladder_folder):
    (ladder_folder / "items").mkdir()
    rows = pd.DataFrame({"run": ["a"], "params": [1], "tokens": [2], "values": [np.arange(3.0)]})
    rows.to_parquet(ladder_folder / "items" / "easy.parquet")
    assert len(read_results(ladder_folder / "evals.parquet").items("easy")) == 1


def test_a_task_without_items_says_where_they_would_be(ladder_folder):
    with pytest.raises(InputError, match=r"has no items of easy.*items/easy\.parquet"):
        read_results(ladder_folder).items("easy")


def test_an_unknown_task_is_named(ladder_folder):
    with pytest.raises(UnknownNameError, match="unknown task 'eas'"):
        read_results(ladder_folder).items("eas")
