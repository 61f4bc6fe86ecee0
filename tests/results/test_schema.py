import numpy as np
import pandas as pd
import pytest

from predictor.errors import InputError
from predictor.results.schema import COLUMNS, is_share, validate

ROW = {"run": "a", "params": 1000, "tokens": 5000, "task": "arc_easy", "metric": "acc", "value": 0.5}


def table(**changes):
    return pd.DataFrame([{**ROW, **changes}])


def test_known_columns_come_first_in_their_order_with_their_types():
    checked = validate(table(extra=1), "t.csv")
    assert list(checked.columns) == [*COLUMNS, "extra"]
    assert {name: str(kind) for name, kind in checked.dtypes.items() if name in COLUMNS} == COLUMNS


def test_rows_without_a_score_are_left_out():
    checked = validate(pd.DataFrame([ROW, {**ROW, "value": np.nan}]), "t.csv")
    assert len(checked) == 1


def test_numbers_written_as_text_are_read():
    assert validate(table(params="1e9", value="0.25"), "t.csv")["params"].iloc[0] == 10**9


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame([ROW]).drop(columns="value"), "lacks the column value"),
        (pd.DataFrame([ROW]).drop(columns=["run", "task"]), "lacks the columns run, task"),
        (pd.DataFrame(columns=list(ROW)), "has no rows"),
        (table(value=np.nan), "every value is missing"),
        (table(value=67.2), "outside .0, 1."),
        (table(value="good"), "column value is not a number in row 1"),
        (table(metric="nll", value=np.inf), "infinite"),
        (pd.DataFrame([ROW, {**ROW, "params": 1e200}]), "column params is 1e.200 in row 2"),
        (table(params=0), "params that are not positive"),
        (table(params=None), "column params is empty"),
        (table(params=np.inf), "column params is inf in row 1"),
        (table(tokens=1e20), "no count here exceeds 4e.18"),
        (table(tokens=-1), "negative tokens"),
        (table(task=None), "column task is empty"),
        (table(stderr=-0.1), "negative stderr"),
        (table(n_items=-5), "n_items that are not positive"),
        (table(task="loss:c4", metric="nll", value=-1.0), "a negative loss"),
        (pd.DataFrame([ROW, {**ROW, "params": 2000}]), "one run name, a, for two sizes"),
    ],
)
def test_a_wrong_table_is_refused_by_name(frame, message):
    with pytest.raises(InputError, match=message):
        validate(frame, "t.csv")


def test_losses_may_exceed_one():
    assert validate(table(task="loss:c4", metric="nll", value=3.2), "t.csv")["value"].iloc[0] == 3.2


def test_accuracies_and_pass_rates_are_shares_and_losses_are_not():
    assert is_share("acc_norm")
    assert is_share("pass@10")
    assert not is_share("bpb")
    assert not is_share("ppl")
