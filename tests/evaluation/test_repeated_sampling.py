"""Sampled answers: pass rates equal to what the model's probabilities say, and no sample lost to an interruption."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.errors import ConfigError, EvaluationError
from predictor.evaluation.harness import Harness
from predictor.evaluation.sampling_rule import SamplingRule
from predictor.evaluation.suites import load_suite
from predictor.project import Scoring
from predictor.results.passes import pass_rate, pass_rate_interval, sampled
from predictor.results.sample_files import Answers, SampleFiles

CHECKPOINT = Path(__file__).parents[2] / "benchmarks" / "ladder" / "33k" / "step_4882"
ITEMS = 16


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Score addition with a model of the tiny ladder; gives the harness, the model, the task and lm-eval's result."""
    if not (CHECKPOINT / "model.safetensors").exists():
        pytest.skip("the tiny ladder's weights are not in this checkout")
    from predictor.evaluation.suites import benchmarks_folder

    path = tmp_path_factory.mktemp("suite") / "suite.yaml"
    path.write_text(
        f"include_path: {benchmarks_folder() / 'tasks' / 'tiny'}\nlimit: {ITEMS}\ntasks:\n"
        "  - {task: tiny_addition, kind: generation, metric: exact_match, chance: 0.0, until_passes: 5, "
        "most_samples: 3000}\n"
    )
    harness = Harness(Scoring(device="cpu", batch_size=8))
    loaded = harness.load_task(load_suite(path).tasks["tiny_addition"])
    model = harness.load_model(CHECKPOINT)
    return harness, model, loaded, harness.run(model, loaded)


@pytest.fixture(scope="module")
def undisturbed(scored, tmp_path_factory):
    harness, model, loaded, result = scored
    return harness.sample(model, loaded, result, SampleFiles(tmp_path_factory.mktemp("files")), lambda: None)


def test_pass_rates_are_those_of_the_model_s_probabilities(scored, undisturbed):
    # The chance to sample the answer and then the newline that ends it, by the model's own log-probabilities.
    from lm_eval.api.instance import Instance

    _, model, _, result = scored
    pairs = [(s["arguments"][0][0], f"{s['target']}\n") for s in result["samples"]["tiny_addition"]]
    answers = model.loglikelihood([Instance("loglikelihood", {}, pair, 0) for pair in pairs])
    truth = np.exp([value for value, _ in answers])
    low, high = pass_rate_interval(*sampled(undisturbed.items))
    assert np.sum((low <= truth) & (truth <= high)) >= ITEMS - 2
    assert truth.min() < 0.01
    value, stderr = undisturbed.scores["pass_rate"]
    rates = pass_rate(*sampled(undisturbed.items))
    assert value == pytest.approx(float(rates.mean()))
    assert stderr == pytest.approx(float(rates.std(ddof=1)) / math.sqrt(ITEMS))


def test_every_item_stops_at_its_fifth_right_answer_or_at_the_cap(undisturbed):
    items = undisturbed.items
    stopped = items["until_passes"].notna()
    assert stopped.any()
    assert (items.loc[stopped, "passes"] == 5).all()
    assert (items.loc[~stopped, "samples"] == 3000).all()
    assert (items.loc[~stopped, "passes"] < 5).all()
    for row in items.itertuples():
        assert sum(row.answer_counts) == row.samples
        assert float(np.dot(row.answer_counts, row.answer_passes)) == row.passes


def test_an_interruption_loses_no_sample_and_draws_none_twice(scored, undisturbed, tmp_path):
    harness, model, loaded, result = scored
    asked, generate = [], model.generate_until

    def count(requests, **more):
        asked.append(len(requests))
        return generate(requests, **more)

    files, left = SampleFiles(tmp_path / "files"), [3, 4, 1000]

    def check():
        left[0] -= 1
        if left[0] < 0:
            left.pop(0)
            raise KilledError

    model.generate_until = count
    try:
        drawn = None
        while drawn is None:
            try:
                drawn = harness.sample(model, loaded, result, files, check)
            except KilledError:
                continue
        disturbed, asked[:] = sum(asked), []
        harness.sample(model, loaded, result, SampleFiles(tmp_path / "again"), lambda: None)
    finally:
        del model.generate_until
    assert len(left) == 1, "it was interrupted twice"
    assert disturbed == sum(asked)
    pd.testing.assert_frame_equal(drawn.items, undisturbed.items)
    files.remove()
    assert not (tmp_path / "files").exists()


def test_a_damaged_file_of_samples_counts_as_not_drawn(tmp_path):
    files, item = SampleFiles(tmp_path), ("task", 3)
    files.write(0, {item: Answers(["a"], [True], [0, 0])})
    files.write(2, {item: Answers(["b"], [False], [0])})
    assert files.read()[item].passed.tolist() == [True, True, False]
    next(tmp_path.glob("*2-*")).write_bytes(b"{")
    assert files.read()[item].passed.tolist() == [True, True]
    next(tmp_path.glob("*0-*")).write_bytes(b"")
    assert item not in files.read()


@pytest.mark.parametrize(
    ("rule", "right", "expected"),
    [
        (SamplingRule(3, None, None, 3), [0, 1, 1, 1], (3, 2, None)),
        (SamplingRule(0, None, 2, 9), [0, 1, 0, 1, 1], (4, 2, 2)),
        (SamplingRule(0, None, 2, 9), [0, 1, 0], None),
        (SamplingRule(0, None, 2, 4), [0, 1, 0, 0, 1], (4, 1, None)),
        (SamplingRule(4, None, 2, 9), [1, 1, 0], None),
        (SamplingRule(4, None, 2, 9), [1, 1, 0, 1, 1], (4, 3, None)),
    ],
)
def test_a_rule_counts_up_to_where_it_stops(rule, right, expected):
    assert rule.count(np.array(right, dtype=bool)) == expected


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("until_passes: 2", "tasks.0.until_passes needs until_passes and most_samples together"),
        ("samples: 0", "tasks.0.samples is 0; allowed are whole numbers from 1"),
        ("temperature: 0.5", "tasks.0.temperature needs samples or until_passes"),
        ("samples: 4, temperature: 0", "tasks.0.temperature is 0; give a number above 0"),
        ("samples: 9, until_passes: 2, most_samples: 8", "tasks.0.most_samples is 8, below samples"),
    ],
)
def test_mistakes_in_a_rule_are_named_with_their_line(tmp_path, keys, said):
    path = tmp_path / "suite.yaml"
    path.write_text(f"tasks:\n  - {{task: t, kind: generation, metric: exact_match, chance: 0, {keys}}}\n")
    with pytest.raises(ConfigError, match=f":2: {said}"):
        load_suite(path)


def test_sampling_belongs_to_generated_answers(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text("tasks:\n  - {task: arc_easy, metric: acc, chance: 0.25, samples: 4}\n")
    with pytest.raises(ConfigError, match="samples applies to kind: generation only"):
        load_suite(path)


def test_a_metric_that_is_neither_right_nor_wrong_is_refused(scored, tmp_path):
    harness, model, loaded, result = scored
    task = loaded.tasks["tiny_addition"]
    judge, task.process_results = task.process_results, lambda document, results: {"exact_match": 0.3}
    try:
        with pytest.raises(EvaluationError, match=r"does not call an answer right or wrong: its exact_match is 0\.3"):
            harness.sample(model, loaded, result, SampleFiles(tmp_path), lambda: None)
    finally:
        task.process_results = judge
