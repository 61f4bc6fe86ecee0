"""What a law is: inputs with units, parameters with bounds and a prior range, a formula, a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Formula = Callable[[Mapping[str, Array], Mapping[str, Array]], Array]


@dataclass(frozen=True)
class Input:
    """One quantity that a law reads.

    Attributes:
        name: its name, as `params`.
        unit: its unit, as `parameters`.
        meaning: what it stands for.
    """

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Parameter:
    """One number that a fit finds.

    Attributes:
        name: its name, as in the source.
        meaning: what it stands for.
        lower: smallest allowed value.
        upper: largest allowed value.
        prior: range that holds about two thirds of sensible values (one standard deviation either side of its middle).
        scale: `log` for positive parameters that are fitted by their logarithm, else `linear`.
    """

    name: str
    meaning: str
    lower: float
    upper: float
    prior: tuple[float, float]
    scale: Literal["linear", "log"] = "linear"

    def inside(self, value: Array) -> Array:
        """Map values to the scale on which they are fitted."""
        return np.log(value) if self.scale == "log" else np.asarray(value, dtype=float)

    def outside(self, value: Array) -> Array:
        """Map fitted coordinates back to values."""
        return np.exp(value) if self.scale == "log" else value


@dataclass(frozen=True)
class Law:
    """A formula with named inputs and parameters.

    Attributes:
        name: how the command line calls it.
        title: what it says, in a few words.
        text: the formula as text.
        inputs: what it reads.
        output: what it gives, with its unit.
        parameters: what a fit finds.
        formula: `formula(inputs, parameters)`; arrays broadcast, parameters usually of shape (problems, 1) and inputs
            of shape (problems, observations).
        source: the paper.
        fit_scale: `log` if residuals are taken between logarithms, as is usual for losses.
    """

    name: str
    title: str
    text: str
    inputs: tuple[Input, ...]
    output: str
    parameters: tuple[Parameter, ...]
    formula: Formula
    source: str
    fit_scale: Literal["linear", "log"] = "linear"

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in their order."""
        return tuple(parameter.name for parameter in self.parameters)

    def predict(self, inputs: Mapping[str, Array], parameters: Array) -> Array:
        """Evaluate the law for a batch of parameter vectors.

        Args:
            inputs: name -> array of shape (observations,) or (problems, observations).
            parameters: shape (problems, len(self.parameters)).

        Returns:
            shape (problems, observations).
        """
        named = {name: parameters[:, index, None] for index, name in enumerate(self.parameter_names)}
        return self.formula({name: np.atleast_2d(value) for name, value in inputs.items()}, named)

    def inside(self, parameters: Array) -> Array:
        """Map parameter vectors, shape (…, parameters), to the coordinates in which they are fitted."""
        return np.stack([p.inside(parameters[..., i]) for i, p in enumerate(self.parameters)], axis=-1)

    def outside(self, coordinates: Array) -> Array:
        """Map fitted coordinates back to parameter vectors."""
        return np.stack([p.outside(coordinates[..., i]) for i, p in enumerate(self.parameters)], axis=-1)
