"""The tree scorer gives the numbers of lm-eval's `hf`."""

import logging
import sys
from collections import defaultdict
from functools import cache
from itertools import compress
from pathlib import Path

import pytest
import torch
import transformers
from lm_eval.models.huggingface import HFLM

from predictor.evaluation.harness import Harness
from predictor.evaluation.scoring import TreeLM, probe
from predictor.evaluation.scoring.encoding import encode_pairs
from predictor.evaluation.suites import load_suite
from predictor.project import Scoring
from tests.evaluation.scoring.small import (
    COMMON,
    TREES,
    VOCABULARY,
    awkward_pairs,
    model,
    requests,
    text,
    tokenizer,
)

ROOT = Path(__file__).parents[3]
DATASETS = ROOT.parent / "shared" / "datasets"

pytestmark = pytest.mark.slow


def pair_of(architecture, **options):
    """Both scorers over one model."""
    made = model(architecture, **options)
    return TreeLM(pretrained=made, tokenizer=tokenizer()), HFLM(made, tokenizer=tokenizer(), batch_size=4)


@pytest.fixture(scope="module", params=TREES)
def both(request):
    return pair_of(request.param)


@pytest.fixture(scope="module")
def llamas():
    return pair_of("llama")


def largest_difference(ours, theirs):
    assert [flag for _, flag in ours] == [flag for _, flag in theirs]
    # `hf` sums in single precision: of a long answer's hundreds of nats it keeps no more digits than this.
    pairs = [(one, other) for (one, _), (other, _) in zip(ours, theirs, strict=True)]
    return max(abs(one - other) - 2e-7 * abs(other) for one, other in pairs)


def test_log_likelihoods_and_greedy_flags(both):
    tree, hf = both
    assert tree.why_hf is None
    asked = requests("loglikelihood", awkward_pairs())
    before = tree.forward.work.tokens
    ours, theirs = tree.loglikelihood(asked), hf.loglikelihood(asked, disable_tqdm=True)
    assert largest_difference(ours, theirs) < 1e-4
    assert tree.forward.work.tokens > before


def test_rolling_log_likelihoods(both):
    tree, hf = both
    asked = requests("loglikelihood_rolling", [(text(1200, seed=7),), (text(1200, seed=7) + " stone",), ("a",), ("",)])
    ours, theirs = tree.loglikelihood_rolling(asked), hf.loglikelihood_rolling(asked, disable_tqdm=True)
    assert ours == pytest.approx(theirs, abs=1e-3, rel=1e-7)


def test_greedy_answers(both):
    tree, hf = both
    stops = {"until": [" the", "st"], "max_gen_toks": 12, "do_sample": False}
    prompts = [text(20, seed=8) + end for end in ("", " a", " seven", " a stone")] + [text(3, seed=9), text(3, seed=9)]
    asked = requests("generate_until", [(prompt, stops) for prompt in prompts])
    asked += requests("generate_until", [(prompt, {"until": [], "max_gen_toks": 5}) for prompt in prompts])
    assert tree.generate_until(asked) == hf.generate_until(asked, disable_tqdm=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_new_tokens": 3},
        {"min_new_tokens": 6},
        {"repetition_penalty": 3.0},
        {"do_sample": True, "temperature": 0.5},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_answers_follow_the_generation_settings_of_a_checkpoint(settings):
    tree, hf = pair_of("llama")
    hf.batch_size_per_gpu = 1
    asked = [(text(count, seed=count), {"until": [], "max_gen_toks": 8, "do_sample": False}) for count in (3, 9, 20)]
    plain = tree.generate_until(requests("generate_until", asked))
    # The end of text is what would come first, so that a shortest answer shows.
    prompt = torch.tensor([hf.tok_encode(asked[0][0])])
    first = tree.model.generate(prompt, max_new_tokens=1, do_sample=False)[0, -1]
    tree.model.generation_config.eos_token_id = [int(first)]
    tree.model.generation_config.update(**settings)
    ours, theirs = (lm.generate_until(requests("generate_until", asked), disable_tqdm=True) for lm in (tree, hf))
    assert ours == theirs != plain


def test_encoding_is_that_of_hf(llamas):
    tree, hf = llamas
    pairs = [pair for pair in awkward_pairs() if pair[0]]
    for pair, (context, continuation) in zip(pairs, encode_pairs(tree, pairs), strict=True):
        assert (context.tolist(), continuation.tolist()) == hf._encode_pair(*pair)


@cache
def real_items(name):
    sys.path.insert(0, str(ROOT / "benchmarks" / "speed"))
    try:
        from scoring_items import workloads
    finally:
        sys.path.pop(0)
    return workloads(DATASETS, 0.01)[name]().items[:3]


@pytest.mark.parametrize(
    "name",
    [
        "mmlu",
        "hellaswag-10-fixed",
        "hellaswag-10",
        "hellaswag-0",
        "arc-challenge",
        "arc-easy",
        "openbookqa",
        "winogrande",
    ],
)
def test_samples_of_real_data_sets(both, name):
    if not DATASETS.is_dir():
        pytest.skip("the data sets are not beside this checkout (../shared/datasets)")
    tree, hf = both
    items = real_items(name)
    asked = requests("loglikelihood", [pair for item in items for pair in item])
    # Their prompts are longer than these models' context, and so cut on the left; one that fits is added.
    asked += requests("loglikelihood", [(context[-600:], answer) for context, answer in items[0]])
    assert largest_difference(tree.loglikelihood(asked), hf.loglikelihood(asked, disable_tqdm=True)) < 1e-4


@pytest.fixture(scope="module")
def tiny_requests():
    """Some requests of every task of the tiny ladder, by kind."""
    harness = Harness(Scoring(device="cpu"))
    asked = defaultdict(list)
    for entry in load_suite("tiny").tasks.values():
        for task in harness.load_task(entry).tasks.values():
            task.build_all_requests(limit=4, rank=0, world_size=1)
            for request in task.instances:
                asked[request.request_type] += [request] * request.repeats
    return asked


def test_every_task_of_the_tiny_ladder(both, tiny_requests):
    assert set(tiny_requests) == {"loglikelihood", "loglikelihood_rolling", "generate_until"}
    ours, theirs = (
        {kind: getattr(lm, kind)(asked, disable_tqdm=True) for kind, asked in tiny_requests.items()} for lm in both
    )
    assert largest_difference(ours["loglikelihood"], theirs["loglikelihood"]) < 1e-4
    assert ours["loglikelihood_rolling"] == pytest.approx(theirs["loglikelihood_rolling"], abs=1e-3, rel=1e-7)
    greedy = [not request.args[1].get("do_sample") for request in tiny_requests["generate_until"]]
    said = [list(compress(answers["generate_until"], greedy)) for answers in (ours, theirs)]
    assert said[0] == said[1]


def test_an_answer_that_begins_inside_another_one(llamas):
    # lm-eval's hf groups these two by the tokens that it reads, and then scores the shorter answer at the wrong place
    # unless its cache of logits is off.
    tree, hf = llamas
    asked = requests("loglikelihood", [("", "<eos>the river"), ("<eos>the", " a")])
    alone = HFLM(hf.model, tokenizer=tokenizer(), logits_cache=False)
    assert largest_difference(tree.loglikelihood(asked), alone.loglikelihood(asked, disable_tqdm=True)) < 1e-4


def test_a_token_before_every_text(llamas):
    _, hf = llamas
    tree = TreeLM(pretrained=hf.model, tokenizer=tokenizer(), add_bos_token=True, prefix_token_id=3, max_length=40)
    other = HFLM(hf.model, tokenizer=tokenizer(), add_bos_token=True, prefix_token_id=3, max_length=40)
    asked = requests("loglikelihood", awkward_pairs())
    assert largest_difference(tree.loglikelihood(asked), other.loglikelihood(asked, disable_tqdm=True)) < 1e-4


@pytest.mark.parametrize("row_tokens", [50, 300])
def test_scores_do_not_depend_on_rows(llamas, row_tokens):
    tree, hf = llamas
    asked = requests("loglikelihood", awkward_pairs())
    short = TreeLM(pretrained=hf.model, tokenizer=tokenizer(), row_tokens=row_tokens)
    assert largest_difference(short.loglikelihood(asked), tree.loglikelihood(asked)) < 1e-4
    # Nothing is computed twice, whatever the rows.
    fresh = TreeLM(pretrained=hf.model, tokenizer=tokenizer())
    fresh.loglikelihood(asked)
    assert short.forward.work.tokens == fresh.forward.work.tokens


def test_out_of_memory_halves_the_rows_and_goes_on(llamas, caplog):
    tree, hf = llamas
    asked = requests("loglikelihood", [pair for pair in awkward_pairs() if len(pair[0]) < 200])
    expected = tree.loglikelihood(asked)

    def refuse(module, inputs, named):
        if inputs[0].shape[1] > 100:
            raise torch.OutOfMemoryError("too long a row")

    hook = hf.model.base_model.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        with caplog.at_level(logging.WARNING):
            found = tree.loglikelihood(asked)
    finally:
        hook.remove()
    assert "going on with rows of" in caplog.text
    assert largest_difference(found, expected) < 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_no_further_from_float32_than_hf(llamas, dtype):
    exact, _ = llamas
    tree, hf = pair_of("llama", dtype=dtype)
    assert tree.why_hf is None
    asked = requests("loglikelihood", awkward_pairs()[:40])
    truth = [value for value, _ in exact.loglikelihood(asked)]

    def distance(answers):
        return sum(abs(value - right) for (value, _), right in zip(answers, truth, strict=True)) / len(truth)

    assert distance(tree.loglikelihood(asked)) <= distance(hf.loglikelihood(asked, disable_tqdm=True))


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [("bloom", "bloom is scored by lm-eval's hf"), ("mamba", "mamba"), ("gemma2", "final_logit_softcapping")],
)
def test_what_cannot_be_a_tree_is_scored_by_hf_and_said_in_a_line(architecture, reason, caplog):
    with caplog.at_level(logging.WARNING, logger="predictor"):
        tree, hf = pair_of(architecture)
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("predictor")]
    assert reason in line
    asked = requests("loglikelihood", awkward_pairs()[:8])
    assert largest_difference(tree.loglikelihood(asked), hf.loglikelihood(asked, disable_tqdm=True)) < 1e-4
    assert tree.forward.work.tokens == 0


def save(folder, made):
    made.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def test_a_model_that_has_learnt_nothing_says_nothing_of_later_checkpoints(tmp_path):
    # Their attention cannot take a tree; it counts for nothing yet in the first one, and any mask scores the same.
    config = transformers.GPTNeoConfig(
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        attention_types=[[["global", "local"], 1]],
        vocab_size=VOCABULARY,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(config).eval()
    trained = save(tmp_path / "trained", made)
    for name, parameter in made.named_parameters():
        if "out_proj" in name:
            torch.nn.init.zeros_(parameter)
    tree = TreeLM(pretrained=save(tmp_path / "new", made), device="cpu")
    assert tree.why_hf is None
    assert tree.load_weights(trained)
    assert "differ" in tree.why_hf
    asked = requests("loglikelihood", awkward_pairs()[:8])
    hf = HFLM(pretrained=trained, device="cpu")
    assert tree.loglikelihood(asked) == hf.loglikelihood(asked, disable_tqdm=True)


@pytest.mark.parametrize("said", [True, False], ids=["said in its configuration", "not said"])
def test_changes_to_logits_are_noticed_while_logits_are_small(said, monkeypatch):
    config = transformers.Gemma2Config(
        **COMMON,
        num_key_value_heads=2,
        head_dim=8,
        attn_logit_softcapping=None,
        final_logit_softcapping=30.0,
        sliding_window=4096,
        vocab_size=VOCABULARY,
    )
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(config).eval()
    if not said:
        monkeypatch.setattr(probe, "_OF_LOGITS", {})
    assert "logits" in TreeLM(pretrained=made, tokenizer=tokenizer()).why_hf


@pytest.mark.parametrize("nested", [False, True], ids=["of all layers", "of one kind of layer"])
def test_positions_that_depend_on_the_batch_are_left_to_hf(nested):
    # Only sequences longer than those that are probed would show it.
    dynamic = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
    each = {"full_attention": dynamic, "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0}}
    kind = transformers.Gemma3TextConfig if nested else transformers.LlamaConfig
    config = kind(**COMMON, head_dim=8, rope_parameters=each if nested else dynamic, vocab_size=VOCABULARY)
    made = transformers.AutoModelForCausalLM.from_config(config).eval()
    assert "positions (dynamic)" in TreeLM(pretrained=made, tokenizer=tokenizer()).why_hf


def test_sequences_longer_than_a_sliding_window_are_scored_by_hf(caplog):
    tree, hf = pair_of("window")
    assert tree.why_hf is None
    short, long = awkward_pairs()[20:24], awkward_pairs()[:4]
    for pairs, is_tree in ((short, True), (long, False)):
        before = tree.forward.work.tokens
        asked = requests("loglikelihood", pairs)
        assert largest_difference(tree.loglikelihood(asked), hf.loglikelihood(asked, disable_tqdm=True)) < 1e-4
        assert (tree.forward.work.tokens > before) is is_tree
    assert "longer than its window" in caplog.text


def test_sampled_answers_are_seeded_per_prompt_and_repetition(llamas):
    tree, _ = llamas
    options = {"until": [], "max_gen_toks": 8, "do_sample": True, "temperature": 1.0}
    prompts = [text(10, seed=1)] * 6 + [text(10, seed=2)] * 2
    torch.manual_seed(11)
    before = tree.forward.work.tokens
    first = tree.generate_until(requests("generate_until", [(prompt, options) for prompt in prompts]))
    read = tree.forward.work.tokens - before - 8 * 7
    assert len(set(first[:6])) > 3
    # Each of the two prompts was read once.
    assert read == len(tree.tok_encode(prompts[0])) + len(tree.tok_encode(prompts[-1]))
    # Alone, in another batch, the last prompt's first answer is the same.
    again = tree.generate_until(requests("generate_until", [(prompts[-1], options)]))
    assert again == [first[6]]
    torch.manual_seed(12)
    assert tree.generate_until(requests("generate_until", [(prompts[-1], options)])) != again


def test_sampling_follows_the_model_s_distribution(llamas):
    tree, hf = llamas
    options = {"until": [], "max_gen_toks": 1, "do_sample": True, "temperature": 1.5, "top_k": 3}
    prompt = text(10, seed=1)
    torch.manual_seed(0)
    answers = tree.generate_until(requests("generate_until", [(prompt, options)] * 2000))
    logits = hf.model(torch.tensor([hf.tok_encode(prompt)])).logits[0, -1] / 1.5
    top = logits.topk(3)
    # Parts of characters decode to the same sign, so probabilities are added by text.
    expected: dict[str, float] = {}
    for token, probability in zip(top.indices.tolist(), top.values.softmax(-1).tolist(), strict=True):
        said = hf.tok_decode([token])
        expected[said] = expected.get(said, 0.0) + probability
    for said, probability in expected.items():
        share = answers.count(said) / 2000
        assert share == pytest.approx(probability, abs=4 * (probability * (1 - probability) / 2000) ** 0.5)
