import itertools
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from predictor.decisions import rank
from predictor.decisions.kemeny import borda, kemeny, local_search, pairwise_wins
from predictor.errors import ForecastError, UnknownNameError
from predictor.results import read_results


def least_contradicted(wins):
    models = range(wins.shape[0])
    return min(sum(wins[b, a] for a, b in itertools.combinations(order, 2)) for order in itertools.permutations(models))


@pytest.mark.parametrize("seed", range(6))
def test_kemenys_order_is_the_best_of_all_orders(seed):
    generator = np.random.default_rng(seed)
    score = generator.integers(0, 4, size=(6, 5)).astype(float)
    score[generator.random(score.shape) < 0.15] = np.nan
    wins = pairwise_wins(score)
    found = kemeny(wins)
    assert found.exact
    assert sorted(found.order) == list(range(6))
    assert found.contradicted == pytest.approx(least_contradicted(wins))


def test_local_search_ends_where_no_single_move_helps():
    wins = pairwise_wins(np.random.default_rng(3).random((7, 9)))
    order = local_search(wins, np.arange(7))
    assert sum(wins[b, a] for a, b in itertools.combinations(order, 2)) <= 1.05 * least_contradicted(wins)


def test_borda_and_kemeny_differ_where_they_are_known_to():
    # Three of five benchmarks put a before b before c; two put b before c before a: a beats both, Borda prefers b.
    score = np.array([[3, 3, 3, 1, 1], [2, 2, 2, 3, 3], [1, 1, 1, 2, 2]], dtype=float)
    assert kemeny(pairwise_wins(score)).order == (0, 1, 2)
    np.testing.assert_allclose(borda(score), [0.6, 0.7, 0.2])


def test_agreement_is_kendalls_and_spearmans_with_the_other_benchmarks(testbed):
    answer = rank(read_results(testbed("exp_emergence")), tasks=["mmlu", "arc", "hellaswag"], resamples=50)
    evals = read_results(testbed("exp_emergence")).evals
    wide = evals[(evals["metric"] == "acc") & evals["task"].isin(["mmlu", "arc", "hellaswag"])]
    wide = wide.pivot_table(index="run", columns="task", values="value").dropna()
    by_task = {one.task: one for one in answer.agreement}
    others = borda(wide[["mmlu", "hellaswag"]].to_numpy(float))
    assert by_task["arc"].models == len(wide)
    # tau-b and rank correlation, on the models that have all three.
    assert by_task["arc"].kendall == pytest.approx(kendalltau(wide["arc"], others).statistic, abs=0.02)
    assert by_task["arc"].spearman == pytest.approx(spearmanr(wide["arc"], others).statistic, abs=0.02)
    for one in answer.agreement:
        assert one.interval[0] <= one.kendall <= one.interval[1]


def test_models_that_lie_close_agree_less(testbed):
    answer = rank(read_results(testbed("gadre")), resamples=20)
    assert [one.models for one in answer.by_size] == [5, 10, 20, 40, 98]
    assert all(one.adjacent < one.random for one in answer.by_size[:3])
    assert len(answer.models) == 98
    assert sorted(one.kemeny_rank for one in answer.models) == list(range(1, 99))


def table(scores):
    rows = [
        {"run": run, "params": 10, "tokens": 10, "task": task, "metric": "acc", "value": value}
        for run, own in scores.items()
        for task, value in own.items()
    ]
    return pd.DataFrame(rows)


def test_a_run_is_ranked_by_its_last_stretch_and_not_by_its_last_checkpoint(as_results):
    rows = []
    for number, level in enumerate((0.4, 0.5, 0.6, 0.7)):
        for task in ("a", "b"):
            for tokens in range(760, 1001, 20):
                # The last checkpoint of the best model is an accident.
                value = 0.45 if number == 3 and tokens == 1000 else level
                row = {"run": f"m{number}", "params": 10, "tokens": tokens, "tokens_planned": 1000}
                rows.append({**row, "task": task, "metric": "acc", "value": value})
    answer = rank(as_results(pd.DataFrame(rows)))
    assert [one.run for one in answer.models] == ["m3", "m2", "m1", "m0"]


def test_a_benchmark_that_orders_the_models_backwards_stands_out(as_results):
    scores = {f"m{i}": {"a": 0.1 * i, "b": 0.1 * i, "c": 0.1 * i, "odd": 0.9 - 0.1 * i} for i in range(8)}
    answer = rank(as_results(table(scores)), reference=["a", "b", "c"])
    assert [one.run for one in answer.models] == [f"m{i}" for i in range(7, -1, -1)]
    assert answer.kemeny.contradicted == 28
    assert {one.task: one.kendall for one in answer.agreement} == pytest.approx({"a": 1, "b": 1, "c": 1, "odd": -1})


def test_models_and_benchmarks_that_nothing_is_known_of_are_left_out(as_results):
    scores = {f"m{i}": {"a": 0.1 * i, "b": 0.1 * i, "flat": 0.5} for i in range(5)}
    answer = rank(as_results(table({**scores, "alone": {"rare": 0.4}})))
    assert [one.run for one in answer.models] == ["m4", "m3", "m2", "m1", "m0"]
    assert {one.task for one in answer.agreement} == {"a", "b"}
    json.dumps(answer.to_json(), allow_nan=False)


def test_too_little_to_rank_is_refused(as_results):
    scores = {f"m{i}": {"a": 0.1 * i, "b": 0.1 * i} for i in range(5)}
    with pytest.raises(ForecastError, match="3 models scored on 2 benchmarks"):
        rank(as_results(table(dict(list(scores.items())[:3]))))
    with pytest.raises(ForecastError, match="5 models scored on 1 benchmarks"):
        rank(as_results(table(scores)), tasks=["a"])
    with pytest.raises(UnknownNameError, match="unknown reference task 'b'"):
        rank(
            as_results(table({name: {**own, "c": own["a"]} for name, own in scores.items()})),
            tasks=["a", "c"],
            reference=["b"],
        )
    with pytest.raises(UnknownNameError, match="unknown family"):
        rank(as_results(table(scores)), families=["other"])


def test_a_half_scored_newest_checkpoint_costs_no_benchmark(as_results, draw_ladder):
    ladder = draw_ladder()
    whole = rank(as_results(ladder), resamples=20)
    largest = ladder["params"] == ladder["params"].max()
    newer = ladder[largest & (ladder["task"] == "easy")]
    # A run that has no planned end goes on, and one benchmark of its new checkpoint has been scored.
    ladder["tokens_planned"] = np.nan
    half = pd.concat([ladder, newer.assign(tokens=newer["tokens"] * 2, tokens_planned=np.nan)], ignore_index=True)
    found = rank(as_results(half), resamples=20)
    assert [model.run for model in found.models] == [model.run for model in whole.models]
    assert {model.benchmarks for model in found.models} == {3}
    assert len(found.models) == ladder["run"].nunique()
    assert any("its newest checkpoint lacks 2 benchmarks" in note for note in found.record["notes"])


def test_a_metric_where_lower_is_better_ranks_the_lower_first(tmp_path):
    rows = []
    for number in range(6):
        place = {"run": f"r{number}", "params": 1000 + number, "tokens": 5000, "n_items": 100}
        rows.append({**place, "task": "arc_easy", "metric": "acc", "value": 0.3 + 0.1 * number})
        rows.append({**place, "task": "wikitext", "metric": "word_perplexity", "value": 90.0 - 10 * number})
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    found = rank(read_results(tmp_path / "t.csv"), resamples=20)
    assert [model.run for model in found.models] == [f"r{number}" for number in range(5, -1, -1)]
    assert [agreement.kendall for agreement in found.agreement] == [1.0, 1.0]


def test_recipes_of_one_or_two_runs_are_ranked_with_the_others(testbed):
    families = {"osr-c4-wu10000": 1, "osr-c4-lr0.006": 2, "osr-pile": 3}
    answer = rank(read_results(testbed("open_sci_ref")), families=list(families), resamples=20)
    found = [model.family for model in answer.models]
    assert {family: found.count(family) for family in families} == families
