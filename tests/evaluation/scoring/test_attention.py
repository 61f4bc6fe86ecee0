"""The attention that rows are made of is softmax attention as it is defined, with the log-sum-exp of its scores."""

import pytest
import torch

from predictor.evaluation.scoring.attention import attend, join


@pytest.mark.parametrize(("dtype", "room"), [(torch.float32, 1e-6), (torch.float16, 2e-3), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("key_heads", [4, 2], ids=["as many keys", "grouped queries"])
@pytest.mark.parametrize("kind", ["masked", "causal", "all"])
def test_against_its_definition_in_double_precision(dtype, room, key_heads, kind):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(3, 4, 17, 8, generator=generator).to(dtype)
    key, value = (torch.randn(3, key_heads, 17, 8, generator=generator).to(dtype) for _ in range(2))
    mask = torch.zeros(3, 1, 17, 17)
    if kind == "masked":
        mask.masked_fill_(torch.rand(3, 1, 17, 17, generator=generator) < 0.5, -torch.inf)[..., 0] = 0
    elif kind == "causal":
        mask += torch.full((17, 17), -torch.inf).triu(1)
    found, sums = attend(query, key, value, mask if kind == "masked" else None, kind == "causal", 0.3)
    keys, values = (one.double().repeat_interleave(4 // key_heads, dim=1) for one in (key, value))
    scores = query.double() @ keys.transpose(-1, -2) * 0.3 + mask
    assert (found.double() - scores.softmax(-1) @ values).abs().max() < room
    assert (sums.double() - scores.logsumexp(-1)).abs().max() < 1e-4


def test_attention_to_two_sets_of_keys_is_that_to_both():
    generator = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(1, 2, 9, 8, generator=generator) for _ in range(3))
    whole, _ = attend(query, key, value, None, False, 0.3)
    one, other = (
        attend(query, key[:, :, part], value[:, :, part], None, False, 0.3) for part in (slice(4), slice(4, 9))
    )
    assert torch.allclose(join(*one, *other), whole, atol=1e-6)
