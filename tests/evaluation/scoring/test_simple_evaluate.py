"""Whole lm-eval runs: `simple_evaluate` gives the same items and metrics with the tree as with `hf`."""

import json

import lm_eval
import pytest
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from predictor.evaluation.scoring import TreeLM
from tests.evaluation.scoring.small import model, tokenizer

pytestmark = pytest.mark.slow

TEMPLATE = (
    "{% for turn in messages %}<eos>{{ turn['role'] }}: {{ turn['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<eos>assistant:{% endif %}"
)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """Two tasks over the same few items, of which one asks for likelihoods of equal choices too, one for answers."""
    folder = tmp_path_factory.mktemp("tasks")
    items = [
        {"q": f"which river is {word} ?", "choices": [word, f"the {word} stone", "seven", "seven"], "a": gold}
        for gold, word in enumerate(("green", "under", "of these", "likely"))
    ]
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, items)))
    data = f"""\
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder / "items.jsonl"}}}}}
test_split: test
fewshot_split: test
num_fewshot: 2
fewshot_config: {{sampler: first_n}}
doc_to_text: "Question: {{{{q}}}} Answer:"
"""
    (folder / "choose.yaml").write_text(
        f"""\
task: choose
output_type: multiple_choice
{data}doc_to_choice: choices
doc_to_target: a
metric_list: [{{metric: acc}}, {{metric: acc_norm}}, {{metric: acc_mutual_info}}, {{metric: brier_score}}]
"""
    )
    (folder / "say.yaml").write_text(
        f"""\
task: say
output_type: generate_until
{data}doc_to_target: "{{{{choices[0]}}}}"
generation_kwargs: {{until: ["\\n", " the"], max_gen_toks: 6, do_sample: false}}
metric_list: [{{metric: exact_match}}]
"""
    )
    return TaskManager(include_path=str(folder), include_defaults=False)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"system_instruction": "the green river"},
        {"apply_chat_template": True, "system_instruction": "the green river", "fewshot_as_multiturn": True},
        {"apply_chat_template": True},
    ],
    ids=["plain", "system instruction", "chat with examples as turns", "chat"],
)
def test_a_run_gives_the_items_and_metrics_of_hf(tasks, asked):
    speaker = tokenizer()
    speaker.chat_template = TEMPLATE
    made = model("llama")
    tree = TreeLM(pretrained=made, tokenizer=speaker)
    runs = [
        lm_eval.simple_evaluate(
            model=lm, tasks=["choose", "say"], task_manager=tasks, bootstrap_iters=0, log_samples=True, **asked
        )
        for lm in (tree, HFLM(made, tokenizer=speaker))
    ]
    assert tree.forward.work.tokens > 0
    ours, theirs = (run["results"] for run in runs)
    for task, metrics in theirs.items():
        numbers = {name: value for name, value in metrics.items() if isinstance(value, float)}
        assert len(numbers) >= 1
        assert {name: ours[task][name] for name in numbers} == pytest.approx(numbers, abs=1e-5)
    for task in ("choose", "say"):
        one, other = (run["samples"][task] for run in runs)
        assert [sample["arguments"] for sample in one] == [sample["arguments"] for sample in other]
    assert [one["resps"] for one in runs[0]["samples"]["say"]] == [one["resps"] for one in runs[1]["samples"]["say"]]
