"""The laws that forecasts are built on, each as it stands in its paper."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from predictor.errors import UnknownNameError
from predictor.laws.law import Array, Input, Law, Parameter

PARAMS = Input("params", "parameters", "model size N, embeddings included")
TOKENS = Input("tokens", "tokens", "training tokens D")
FLOPS = Input("flops", "FLOPs", "training compute C, 6·N·D where not stated")
LOSS = Input("loss", "nats or bits", "a loss, of the task's right answers or of held-out text")
CHANCE = Input("chance", "share", "score of random guessing g; 0 where nothing can be guessed")

_Values = Mapping[str, Array]


def _power(base: Array, exponent: Array) -> Array:
    return np.exp(exponent * np.log(base))


def _chinchilla(x: _Values, p: _Values) -> Array:
    return p["E"] + p["A"] * _power(x["params"], -p["alpha"]) + p["B"] * _power(x["tokens"], -p["beta"])


def _asymptote(x: _Values, p: _Values) -> Array:
    return p["E"] + p["A"] * _power(x["flops"], -p["alpha"])


def _direct_log_accuracy(x: _Values, p: _Values) -> Array:
    g = x["chance"]
    return g + (1 - g) * np.exp(-p["A"] * _power(x["flops"], -p["alpha"]))


def _accuracy_from_loss(x: _Values, p: _Values) -> Array:
    # The exponent is held within what a float can carry: beyond it the curve is flat anyway.
    return p["b"] + p["a"] / (1 + np.exp(np.clip(p["k"] * (x["loss"] - p["L0"]), -60, 60)))


def _error_from_loss(x: _Values, p: _Values) -> Array:
    return p["epsilon"] - p["k"] * np.exp(-p["gamma"] * x["loss"])


LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law(
            name="chinchilla",
            title="loss from size and data",
            text="L = E + A·N^-alpha + B·D^-beta",
            inputs=(PARAMS, TOKENS),
            output="loss, nats per token (or bits per byte)",
            parameters=(
                Parameter("E", "loss that no size and no data remove", 1e-3, 20, (0.3, 2.5), "log"),
                Parameter("A", "weight of the size term", 1e-6, 1e12, (1e1, 1e4), "log"),
                Parameter("alpha", "exponent of size", 0.02, 2, (0.2, 0.5), "log"),
                Parameter("B", "weight of the data term", 1e-6, 1e12, (1e1, 1e4), "log"),
                Parameter("beta", "exponent of data", 0.02, 2, (0.2, 0.5), "log"),
            ),
            formula=_chinchilla,
            source="Hoffmann et al. 2022, arXiv 2203.15556; refitted by Besiroglu et al. 2024, arXiv 2404.10102",
            fit_scale="log",
        ),
        Law(
            name="asymptote",
            title="loss from compute, with what it tends to",
            text="L = E + A·C^-alpha",
            inputs=(FLOPS,),
            output="loss, nats per token (or bits per byte)",
            parameters=(
                Parameter("E", "loss that no compute removes", 1e-3, 20, (0.3, 2.5), "log"),
                Parameter("A", "weight of the compute term", 1e-6, 1e12, (1e0, 1e4), "log"),
                Parameter("alpha", "exponent of compute", 0.01, 1, (0.08, 0.3), "log"),
            ),
            formula=_asymptote,
            source="Henighan et al. 2020, arXiv 2010.14701",
            fit_scale="log",
        ),
        Law(
            name="direct_log_accuracy",
            title="score from compute, in one step",
            text="-ln((Acc - g)/(1 - g)) = A·C^-alpha",
            inputs=(FLOPS, CHANCE),
            output="score in [0, 1]",
            parameters=(
                Parameter("A", "weight of the compute term", 1e-6, 1e30, (1e1, 1e5), "log"),
                Parameter("alpha", "exponent of compute", 1e-4, 2, (0.06, 0.3), "log"),
            ),
            formula=_direct_log_accuracy,
            source="Krajewski et al. 2025, arXiv 2512.08894",
        ),
        Law(
            name="accuracy_from_loss",
            title="score from loss, a falling sigmoid",
            text="Acc = b + a / (1 + exp(k·(L - L0)))",
            inputs=(LOSS,),
            output="score in [0, 1]",
            parameters=(
                Parameter("b", "score at high loss, near chance", 0, 1, (0.0, 0.5)),
                Parameter("a", "what is gained from there to loss zero", 0, 1, (0.4, 0.9)),
                Parameter("k", "steepness, per unit of loss", 1e-2, 1e3, (1.0, 8.0), "log"),
                Parameter("L0", "loss at half of the gain", -5, 20, (0.3, 2.0)),
            ),
            formula=_accuracy_from_loss,
            source="Bhagia et al. 2024, arXiv 2412.04403",
        ),
        Law(
            name="error_from_loss",
            title="error from loss, a rising exponential",
            text="Err = epsilon - k·exp(-gamma·L)",
            inputs=(LOSS,),
            output="top-1 error in [0, 1]",
            parameters=(
                Parameter("epsilon", "error at high loss", 0, 1, (0.5, 0.95)),
                Parameter("k", "weight of the exponential", 1e-4, 1e4, (0.5, 10.0), "log"),
                Parameter("gamma", "decay, per unit of loss", 1e-3, 1e2, (0.4, 2.0), "log"),
            ),
            formula=_error_from_loss,
            source="Gadre et al. 2024, arXiv 2403.08540",
        ),
    )
}


def get_law(name: str) -> Law:
    """Look up a law by its name.

    Raises:
        UnknownNameError: there is no such law.
    """
    if name not in LAWS:
        raise UnknownNameError("law", name, LAWS)
    return LAWS[name]
