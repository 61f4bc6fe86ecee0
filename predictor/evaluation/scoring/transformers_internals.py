"""What the scorer uses of transformers beyond its documented API, under names of ours."""

from __future__ import annotations

from typing import Any

from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

ATTENTION_FUNCTIONS = ALL_ATTENTION_FUNCTIONS
"""Name -> attention function, of which a model's configuration names one."""


def generation_settings(model: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a model's generation settings with a request's options, and the options that are none."""
    settings, more = model._prepare_generation_config(None, **options)
    return settings, more


def logits_processors(model: Any, settings: Any, device: Any) -> list[Any]:
    """Return what transformers applies to a step's scores under some settings."""
    found: list[Any] = model._get_logits_processor(
        settings,
        input_ids_seq_length=1,
        # Without defaults before transformers 4.57.
        encoder_input_ids=None,
        prefix_allowed_tokens_fn=None,
        logits_processor=[],
        device=device,
        model_kwargs={},
    )
    return found
