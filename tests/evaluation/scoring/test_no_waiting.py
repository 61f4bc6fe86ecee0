"""On a GPU the program never waits for it inside its loops, so that the next kernels are always in its queue.

Shown without one: a model on torch's `meta` device computes shapes alone, so whatever asks for a value of its tensors
stands out, be it in the scorer or in a model's own layers.
"""

import numpy as np
import pytest
import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from predictor.evaluation.scoring import attention, generation
from predictor.evaluation.scoring.forward import TreeForward
from predictor.evaluation.scoring.tree import build_tree
from tests.evaluation.scoring.small import CONFIGS, TREES, VOCABULARY

META = torch.device("meta")
ASK = ("item", "_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique", "_unique2")


class Watched(TorchDispatchMode):
    """Notes where the program waits for the device.

    Attributes:
        asked: operations that give values of its tensors to the program, or a shape that depends on values.
        waited: copies to it that the program does not go on beside.
        read: how many tensors were copied from it; zeros are given for them.
    """

    def __init__(self):
        super().__init__()
        self.asked, self.waited, self.read = [], [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::")
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        there = [one for one in given if one.device == META]
        here = [one for one in given if one.device != META and one.ndim]
        if there and name in ASK:
            self.asked.append(name)
        try:
            found = function(*args, **kwargs)
        except NotImplementedError as error:
            if "Cannot copy out of meta tensor" not in str(error):
                raise
            self.read += 1
            return torch.zeros(there[0].shape, dtype=there[0].dtype)
        after = {one.device for one in tree_leaves(found) if isinstance(one, torch.Tensor)}
        if here and (there or META in after):
            named = [argument.name for argument in function._schema.arguments]
            if not {**dict(zip(named, args, strict=False)), **kwargs}.get("non_blocking"):
                self.waited.append(name)
        return found


@pytest.fixture(params=["as on a GPU", "general"])
def kernels(request, monkeypatch):
    """Attention by the kernels of a GPU, of which torch knows what shapes they take, or as elsewhere."""
    if request.param == "general":
        return

    def attend(query, key, value, mask, causal, scale):
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        return attention._attend_on_cuda(query, key, value, mask, causal, scale)

    monkeypatch.setattr(attention, "attend", attend)
    monkeypatch.setattr(generation, "attend", attend)


def forward_of(architecture, row_tokens):
    config = CONFIGS[architecture]()
    config.vocab_size = VOCABULARY
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    return TreeForward(model, row_tokens=row_tokens, most_below=16)


def inputs(count):
    """Prompts with a long common beginning, questions below it, and answers below these."""
    generator = np.random.default_rng(0)
    shared, found = generator.integers(0, VOCABULARY, 60), []
    for _ in range(count):
        question = np.concatenate([shared, generator.integers(0, VOCABULARY, 7)])
        found += [np.concatenate([question, generator.integers(0, VOCABULARY, size)]) for size in (1, 3, 4)]
    return [tokens.astype(np.int32) for tokens in found]


@pytest.mark.parametrize("architecture", TREES)
def test_scoring_reads_its_answers_once_whatever_the_number_of_rows(architecture, kernels):
    rows, reads = [], []
    for count in (2, 12):
        forward = forward_of(architecture, row_tokens=80)
        tree = build_tree(inputs(count), [tokens[-2:] for tokens in inputs(count)])
        with Watched() as watched:
            forward.score(tree)
        assert (watched.asked, watched.waited) == ([], [])
        rows.append(forward.work.rows)
        reads.append(watched.read)
    assert rows[0] < rows[1]
    assert reads == [2, 2]


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_generation_reads_new_tokens_every_few_steps_and_nothing_else(architecture, kernels, monkeypatch):
    monkeypatch.setitem(generation._LOOK_EVERY, "meta", 8)
    forward = forward_of(architecture, row_tokens=80)
    prompts, seen = inputs(4), []

    def ended(tokens):
        seen.append(len(tokens))
        return len(tokens) > 3 and len(seen) % 2 == 0

    with Watched() as watched:
        found = generation.complete(forward, prompts, 24, lambda logits, numbers, step: logits.argmax(-1), ended)
    assert (watched.asked, watched.waited) == ([], [])
    # At most after 8, 16 and 24 tokens.
    assert 1 <= watched.read <= 3
    assert {len(tokens) for tokens in found} <= set(range(4, 25))


@pytest.mark.parametrize(
    "wait",
    [
        lambda tensor: tensor.sum().item(),
        lambda tensor: tensor[tensor > 0],
        lambda tensor: tensor.tolist(),
        lambda tensor: tensor[np.array([1])],
        lambda tensor: torch.from_numpy(np.zeros(2)).to(META),
    ],
    ids=["item", "boolean index", "tolist", "index from numpy", "plain copy"],
)
def test_what_waits_is_seen(wait):
    tensor = torch.empty(3, device=META)
    with Watched() as watched:
        try:
            wait(tensor)
        except (RuntimeError, NotImplementedError):
            # Some of it cannot be done without values.
            watched.asked.append("refused")
    assert watched.asked or watched.waited or watched.read
