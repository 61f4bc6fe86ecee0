"""Work is cut by what it was measured to cost."""

from pathlib import Path

import pytest

from predictor.checkpoints import Checkpoint
from predictor.evaluation.costs import Costs
from predictor.evaluation.plan import Pair, Unit
from predictor.evaluation.suites import SuiteTask
from predictor.results.ledger import PairKey

PARAMS = {"small": 10, "middle": 40, "big": 100}


def unit(run, tasks):
    checkpoint = Checkpoint("f", run, "ladder", PARAMS[run], None, 1, 1, None, Path("/ck"), None)
    pairs = (Pair(PairKey(task, run, 1, task), SuiteTask(task, "acc", 0.25), "p", "0.4.9") for task in tasks)
    return Unit(checkpoint, "d", tuple(pairs))


@pytest.fixture
def costs():
    costs = Costs(PARAMS)
    costs.learn([("small", "quick", 10.0), ("small", "quick", 30.0), ("small", "quick", 20.0)])
    costs.learn([("middle", "quick", 100.0), ("small", "slow", 500.0)])
    return costs


def test_the_median_of_a_run_counts_or_that_of_the_nearest_in_size_grown_with_size(costs):
    assert costs.of("small", "quick") == 20.0
    # 40 is nearer to 100 than 10 is.
    assert costs.of("big", "quick") == 250.0
    assert costs.of("big", "slow") == 5000.0
    # A smaller model is not taken to be faster.
    assert Costs(PARAMS | {"tiny": 1}, costs._measured).of("tiny", "slow") == 500.0
    assert costs.of("big", "unheard of") == 60.0


def test_pieces_are_as_long_as_asked_for_and_hold_every_pair(costs):
    whole = unit("small", ["quick", "slow", "quick2", "quick3"])
    pieces = costs.split(whole, 120.0)
    assert [[pair.key.task for pair in piece.pairs] for piece in pieces] == [["quick"], ["slow"], ["quick2", "quick3"]]


def test_idle_workers_get_a_half_of_what_is_left_if_it_pays(costs):
    one, rest = costs.halve(unit("small", ["a", "b", "c", "d"]))
    assert ([len(one.pairs), len(rest.pairs)]) == [2, 2]
    assert costs.halve(unit("small", ["quick", "quick"])) is None
    assert costs.halve(unit("small", ["slow"])) is None
