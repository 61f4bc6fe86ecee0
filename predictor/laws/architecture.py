"""Laws of what a model is made of: its parts, its vocabulary, how its size changes, what it can hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from predictor.errors import InputError
from predictor.laws.inputs import PARAMS, TOKENS
from predictor.laws.law import Array, Input, Law, Parameter, Values, power
from predictor.laws.loss import CHINCHILLA

AVERAGE_PARAMS = Input("average_params", "parameters", "size averaged over the training tokens: average_params()")
NON_VOCABULARY = Input("non_vocabulary_params", "parameters", "parameters N_nv outside the embedding and output layers")
VOCABULARY = Input("vocabulary_params", "parameters", "parameters N_v of the embedding and output layers")
ENCODER = Input("encoder_params", "parameters", "encoder size N_e")
DECODER = Input("decoder_params", "parameters", "decoder size N_d")

# N_e0 and N_d0 only fix the unit of a.
_REFERENCE = 1e8


def average_params(params: ArrayLike, tokens: ArrayLike) -> float:
    """Average a model's size over its training, for models that are pruned or grown on the way.

    Args:
        params: active parameters in each phase, shape (phases,).
        tokens: tokens trained in each phase, the same shape.

    Raises:
        InputError: the shapes differ or no tokens were trained.

    Source:
        Jin et al. 2025, arXiv 2501.12486.
    """
    sizes, spans = np.atleast_1d(np.asarray(params, float)), np.atleast_1d(np.asarray(tokens, float))
    if sizes.shape != spans.shape or (spans < 0).any() or spans.sum() <= 0:
        raise InputError(
            f"{sizes.size} sizes with {spans.size} spans of tokens have no average",
            "give one positive number of tokens for every size",
        )
    return float(np.average(sizes, weights=spans))


def effective_share(beta_alone: ArrayLike, beta_mixed: ArrayLike, alpha: ArrayLike) -> Array:
    """Give the share of the parameters that serves one task of a multitask model: (beta_1/beta_p)^(1/alpha).

    Args:
        beta_alone: coefficient of `effective_parameters` when trained on the task alone.
        beta_mixed: its coefficient at sampling weight p.
        alpha: the exponent they share.

    Source:
        Fernandes et al. 2023, arXiv 2302.09650.
    """
    ratio = np.asarray(beta_alone, float) / np.asarray(beta_mixed, float)
    return np.asarray(ratio ** (1 / np.asarray(alpha, float)))


def _vocabulary(x: Values, p: Values) -> Array:
    rest = p["A1"] * power(x["non_vocabulary_params"], -p["alpha1"])
    words = p["A2"] * power(x["vocabulary_params"], -p["alpha2"])
    return -p["E"] + rest + words + p["B"] * power(x["tokens"], -p["beta"])


def _encoder_decoder(x: Values, p: Values) -> Array:
    encoder = power(_REFERENCE / x["encoder_params"], p["p_e"])
    return p["a"] * encoder * power(_REFERENCE / x["decoder_params"], p["p_d"]) + p["L_inf"]


LAWS = (
    replace(
        CHINCHILLA,
        name="average_parameters",
        title="loss of models whose size changes during training",
        text="L = E + A·mean(N)^-alpha + B·D^-beta",
        inputs=(AVERAGE_PARAMS, TOKENS),
        formula=lambda x, p: CHINCHILLA.formula({"params": x["average_params"], "tokens": x["tokens"]}, p),
        derivative=None,
        source="Jin et al. 2025, arXiv 2501.12486",
        published={},
    ),
    Law(
        name="vocabulary",
        title="loss from size, vocabulary and data",
        text="L_u = -E + A1·N_nv^-alpha1 + A2·N_v^-alpha2 + B·D^-beta",
        inputs=(NON_VOCABULARY, VOCABULARY, TOKENS),
        output="loss less that of a unigram model, nats; below zero",
        parameters=(
            Parameter("E", "how far below a unigram model no size and no data go", 1e-3, 30, (3.0, 8.0), linear=True),
            Parameter("A1", "weight of the size without vocabulary", 1e-6, 1e12, (1e1, 1e4), "log", linear=True),
            Parameter("alpha1", "its exponent", 0.02, 2, (0.2, 0.6), "log"),
            Parameter("A2", "weight of the vocabulary's size", 1e-6, 1e12, (1e1, 1e4), "log", linear=True),
            Parameter("alpha2", "its exponent", 0.02, 2, (0.2, 0.6), "log"),
            Parameter("B", "weight of the data term", 1e-6, 1e12, (1e1, 1e4), "log", linear=True),
            Parameter("beta", "exponent of data", 0.02, 2, (0.2, 0.6), "log"),
        ),
        formula=_vocabulary,
        source="Tao et al. 2024, arXiv 2407.13623",
        # Losses below zero have no logarithm.
        gives="loss",
    ),
    Law(
        name="encoder_decoder",
        title="loss from the sizes of encoder and decoder",
        text="L = a·(1e8/N_e)^p_e·(1e8/N_d)^p_d + L_inf",
        inputs=(ENCODER, DECODER),
        output="loss, nats per token",
        parameters=(
            Parameter("a", "what both sizes at 1e8 leave above L_inf", 1e-6, 1e3, (0.1, 2.0), "log", linear=True),
            Parameter("p_e", "exponent of the encoder", 0.01, 2, (0.1, 0.5), "log"),
            Parameter("p_d", "exponent of the decoder", 0.01, 2, (0.1, 0.5), "log"),
            Parameter("L_inf", "loss that no size removes", 1e-3, 20, (0.5, 2.0), "log", linear=True),
        ),
        formula=_encoder_decoder,
        source="Ghorbani et al. 2021, arXiv 2109.07740",
        fit_scale="log",
    ),
    Law(
        name="effective_parameters",
        title="loss on one task of a multitask model, at one sampling weight",
        text="L_i = beta·N^-alpha + L_inf; share of the parameters f(p) = (beta_1/beta_p)^(1/alpha)",
        inputs=(PARAMS,),
        output="loss on the task, nats per token",
        parameters=(
            Parameter(
                "beta", "weight of the size term at this sampling weight", 1e-6, 1e12, (1e0, 1e3), "log", linear=True
            ),
            Parameter("alpha", "exponent of size", 0.02, 2, (0.1, 0.5), "log"),
            Parameter("L_inf", "loss that no size removes", 1e-3, 20, (0.5, 2.0), "log", linear=True),
        ),
        formula=lambda x, p: p["beta"] * power(x["params"], -p["alpha"]) + p["L_inf"],
        source="Fernandes et al. 2023, arXiv 2302.09650",
        fit_scale="log",
    ),
    Law(
        name="knowledge_capacity",
        title="bits of knowledge that a model can store",
        text="bits = r·N",
        inputs=(PARAMS,),
        output="stored knowledge, bits",
        parameters=(Parameter("r", "bits per parameter", 1e-3, 16, (0.5, 2.5), "log", linear=True),),
        formula=lambda x, p: p["r"] * x["params"],
        source="Allen-Zhu and Li 2024, arXiv 2404.05405",
        fit_scale="log",
        gives="other",
        published={"1000_exposures": {"r": 2.0}, "100_exposures": {"r": 1.0}},
    ),
)
