"""Logs of inspect_ai are read by its own reader: scores, epochs, scorers, items, and runs that did not end well."""

import importlib.util
import itertools
import json
import zipfile

import pytest

from predictor.errors import InputError
from predictor.results.formats import open_format
from predictor.results.formats.found import OtherFormatError

INSTALLED = importlib.util.find_spec("inspect_ai") is not None
needs_inspect = pytest.mark.skipif(
    not INSTALLED, reason="inspect_ai is not installed: pip install 'downstream-predictor[inspect]'"
)
pytestmark = pytest.mark.filterwarnings("ignore")


def evaluate(folder, answers, *, scorers=None, count=4, **options):
    """Run inspect_ai itself with a model that gives the answers in turn, and return the log's path."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import exact

    def outputs():
        for answer in itertools.cycle(answers):
            output = ModelOutput.from_content("mockllm/model", answer)
            # Without it inspect_ai asks for a tokenizer, to count.
            output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
            yield output

    samples = [Sample(input=f"question {n}", target="yes", id=f"q{n}", metadata={"kind": n % 2}) for n in range(count)]
    task = Task(dataset=MemoryDataset(samples, name="d"), scorer=scorers or exact(), name=options.pop("name", "mine"))
    model = get_model("mockllm/model", custom_outputs=outputs(), memoize=False)
    (log,) = eval(task, model=model, log_dir=str(folder), display="none", max_connections=1, max_samples=1, **options)
    return log


def read(log):
    from pathlib import Path

    (found,) = open_format("inspect").read(Path(log.location.removeprefix("file://")))
    return found


@needs_inspect
@pytest.mark.parametrize("log_format", ["eval", "json"])
def test_scores_and_items_are_those_that_inspect_computed(tmp_path, log_format):
    log = evaluate(tmp_path, ["yes", "no", "yes", "yes"], log_format=log_format)
    found = read(log)
    (score,) = found.scores
    metrics = log.results.scores[0].metrics
    assert (score.task, score.metric, score.filter) == ("mine", "exact_match", "exact")
    assert (score.value, score.stderr) == (metrics["mean"].value, metrics["stderr"].value) == (0.75, 0.25)
    assert (score.n_items, score.n_items_full, score.limited) == (4, 4, False)
    frame = found.items[0].read()
    assert frame["correct"].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert (found.facts.harness, found.facts.harness_version) == ("inspect_ai", log.eval.packages["inspect_ai"])
    assert found.name == "mockllm/model"


@needs_inspect
def test_epochs_of_a_sample_are_one_item(tmp_path):
    from inspect_ai import Epochs

    log = evaluate(tmp_path, ["yes", "no"] * 3 + ["no", "no"], epochs=Epochs(2, ["mean", "pass_at_2", "max"]))
    found = read(log)
    values = {score.metric: (score.value, score.n_items) for score in found.scores}
    assert values.keys() == {"exact_match", "pass@2", "exact_match_max"}
    frame = found.items[0].read()
    assert frame["samples"].tolist() == [2] * 4
    assert values["exact_match"] == (pytest.approx(frame["correct"].mean()), 4)
    assert values["pass@2"] == (pytest.approx((frame["passes"] > 0).mean()), 4)


@needs_inspect
def test_of_several_scorers_the_first_counts_and_the_others_keep_their_name(tmp_path):
    from inspect_ai.scorer import exact, includes

    found = read(evaluate(tmp_path, ["yes", "oh yes", "no", "no"], scorers=[exact(), includes()]))
    assert {(score.metric, score.filter, score.value) for score in found.scores} == {
        ("exact_match", None, 0.25),
        ("acc", "includes", 0.5),
    }
    assert found.items[0].read()["correct"].mean() == 0.25


@needs_inspect
def test_scores_of_groups_are_listed_and_their_whole_is_read(tmp_path):
    from inspect_ai.scorer import Score, accuracy, grouped, scorer

    @scorer(metrics=[grouped(accuracy(), "kind")])
    def by_kind():
        async def score(state, target):
            return Score(value="C" if state.output.completion == target.text else "I")

        return score

    found = read(evaluate(tmp_path, ["yes", "no", "yes", "yes"], scorers=by_kind()))
    assert [(score.metric, score.value) for score in found.scores] == [("acc", 0.75)]
    assert str(found.left_out[0]).startswith("mine by_kind: 2 scores of groups left out")


@needs_inspect
def test_a_limit_shows_in_the_number_of_items(tmp_path):
    (score,) = read(evaluate(tmp_path, ["yes"], limit=2)).scores
    assert (score.n_items, score.n_items_full, score.limited) == (2, 4, True)


@needs_inspect
def test_a_run_that_failed_is_listed_and_gives_no_score(tmp_path):
    from inspect_ai.scorer import accuracy, scorer

    @scorer(metrics=[accuracy()])
    def broken():
        async def score(state, target):
            raise RuntimeError("out of paper")

        return score

    found = read(evaluate(tmp_path, ["yes"], scorers=broken()))
    assert (found.scores, found.items) == ((), ())
    assert "mine left out: the evaluation ended with status error" in str(found.left_out[0])
    assert "out of paper" in str(found.left_out[0])


@needs_inspect
def test_samples_that_failed_make_a_score_of_some_items(tmp_path):
    from inspect_ai.scorer import Score, accuracy, scorer

    @scorer(metrics=[accuracy()])
    def sometimes():
        async def score(state, target):
            if state.sample_id == "q1":
                raise RuntimeError("out of paper")
            return Score(value="C")

        return score

    found = read(evaluate(tmp_path, ["yes"], scorers=sometimes(), fail_on_error=False))
    assert (found.scores[0].n_items, found.scores[0].limited) == (3, True)
    assert len(found.items[0].read()) == 3


@needs_inspect
def test_local_weights_are_named_by_their_path(tmp_path):
    from inspect_ai.log import read_eval_log, write_eval_log

    log = read_eval_log(evaluate(tmp_path, ["yes"]).location)
    log.eval.model, log.eval.model_args = "hf/local", {"model_path": "/ckpt/70m/step_1000", "device": "cpu"}
    write_eval_log(log)
    assert read(log).name == "/ckpt/70m/step_1000"


@needs_inspect
@pytest.mark.parametrize(
    ("task", "arguments", "named"),
    [
        ("inspect_evals/gsm8k", {"fewshot": 10, "fewshot_seed": 1}, ("gsm8k", 10)),
        ("inspect_evals/gsm8k", {"fewshot": False}, ("gsm8k", 0)),
        ("inspect_evals/mmlu_5_shot", {}, ("mmlu", 5)),
        ("mmlu-0-shot", {"language": "FR_FR"}, ("mmlu[language=FR_FR]", 0)),
        ("arc_easy", {}, ("arc_easy", None)),
    ],
)
def test_the_task_has_its_shots_and_what_changes_it(tmp_path, task, arguments, named):
    from inspect_ai.log import read_eval_log

    from predictor.results.formats.inspect_log import task_of

    spec = read_eval_log(evaluate(tmp_path, ["yes"]).location).eval
    assert (
        task_of(spec.model_copy(update={"task": task, "task_args": arguments, "task_args_passed": arguments})) == named
    )


def test_logs_are_recognised_without_inspect(tmp_path):
    reader = open_format("inspect")
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as archive:
        archive.writestr("_journal/start.json", "{}")
    (tmp_path / "b.json").write_text(json.dumps({"version": 2, "status": "success", "eval": {"task": "t"}}, indent=1))
    (tmp_path / "c.json").write_text(json.dumps({"results": {}}))
    assert [reader.recognises(source) for source in reader.sources(tmp_path)] == [True, True, False]
    with pytest.raises(OtherFormatError, match="is no log of inspect_ai"):
        reader.read(tmp_path / "c.json")


@pytest.mark.skipif(INSTALLED, reason="inspect_ai is installed")
def test_without_inspect_the_extra_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as archive:
        archive.writestr("_journal/start.json", "{}")
    with pytest.raises(InputError, match=r"needs inspect_ai to be read; pip install 'downstream-predictor\[inspect\]'"):
        open_format("inspect").read(tmp_path / "a.eval")


@needs_inspect
def test_a_spoilt_log_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as archive:
        archive.writestr("header.json", "{")
    with pytest.raises(InputError, match="cannot be read by inspect_ai") as caught:
        open_format("inspect").read(tmp_path / "a.eval")
    assert "\n" not in str(caught.value)
