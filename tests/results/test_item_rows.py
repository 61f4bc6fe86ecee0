"""Items that are read for their measures are those that are read with all their columns."""

import numpy as np
import pandas as pd
import pytest

from predictor.errors import StoreError
from predictor.results.item_measures import measure_items
from predictor.results.item_rows import read_item_rows
from predictor.results.store import Store
from predictor.results.table_file import IMPORTED
from tests.results.scored import pair, runs, tasks

KEY = ["run", "step", "tokens", "params", "num_fewshot", "subtask", "doc_id"]


def write(store, seed, count=7, **named):
    """Write items with answers of two to four choices, some of them without log-likelihoods."""
    draws = np.random.default_rng(seed)
    scores, items, identity = pair(**named)
    choices = draws.integers(2, 5, count)
    lists = [list(draws.normal(-9, 2, number)) for number in choices]
    lists[2] = None
    items = pd.concat([items.iloc[[0]]] * count, ignore_index=True).assign(
        doc_id=np.arange(count)[::-1],
        correct=draws.integers(0, 2, count).astype(float),
        log_likelihoods=lists,
        byte_lengths=[None if row is None else [5] * len(row) for row in lists],
        gold=pd.array([0 if row is not None else pd.NA for row in lists], dtype="Int64"),
        doc_hash=[f"{number:064x}" for number in range(count)],
    )
    store.write(scores, items, identity)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    for number, (run, step) in enumerate([("b", 10), ("b", 20), ("a", 10), ("target", 10)]):
        write(store, number, run=run, step=step)
    # The checkpoint was written anew: the later scores count.
    write(store, 7, run="a", step=10, checkpoint="c2")
    # An earlier protocol, another task of a like name, and what was imported where own scores are and where none are.
    write(store, 8, run="a", step=20, protocol="p0")
    write(store, 9, run="a", step=20, task="facts-of-history")
    write(store, 10, run="a", step=10, protocol=IMPORTED, checkpoint="x")
    write(store, 11, run="other", step=40, protocol=IMPORTED, checkpoint="y")
    store.write_tasks(tasks(("facts", 0, "acc", 0.5, 2, "p1")))
    store.write_runs(pd.concat([runs("a", "b"), runs("target", role="target")]))
    return store


@pytest.mark.parametrize("roles", [("ladder",), ("ladder", "target")])
def test_the_same_rows_count_with_the_same_measures(store, roles):
    whole, lean = store.read_items("facts", roles), read_item_rows(store, "facts", roles)
    assert len(lean) == 7 * (4 + len(roles) - 1)
    pd.testing.assert_frame_equal(
        lean[KEY].astype({"run": str, "subtask": str}), whole[KEY], check_dtype=False, check_column_type=False
    )
    expected, found = measure_items(whole), measure_items(lean)
    assert np.isfinite(expected["margin"]).sum() == 6 * (4 + len(roles) - 1)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_a_task_without_items_is_named(store):
    with pytest.raises(StoreError, match="has no items of sums"):
        read_item_rows(store, "sums")
