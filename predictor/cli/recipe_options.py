"""Options that say what a target does otherwise than its ladder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from predictor.cli.law_source import split_pairs
from predictor.cli.options import QUANTITY
from predictor.errors import PredictorError
from predictor.quantity import parse_quantity

F = TypeVar("F", bound=Callable[..., Any])

_QUANTITIES = {
    "unique_tokens": ("U", "Distinct training tokens, where the target repeats its data."),
    "params_active": ("N", "Parameters active for each token, of a mixture of experts."),
    "flops": ("C", "Training compute, where the table states that of its runs in the column flops."),
    "bits": ("P", "Bits per weight of the model as it is served."),
    "vocabulary": ("V", "Size of the vocabulary; the ladder's is read from the column vocabulary."),
    "width": ("W", "Width of the model, needed with --vocabulary."),
    "learning_rate": ("ETA", "Peak learning rate, compared with the step law."),
}


class AxisValue(click.ParamType):
    """A column and the target's value on it, as `gpu_hours=5k`."""

    name = "column=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Split the column from the value."""
        if isinstance(value, tuple):
            return value
        pairs = split_pairs(str(value), lambda message: self.fail(message, param, ctx), "number")
        if len(pairs) != 1:
            self.fail("one column at a time, as gpu_hours=5k", param, ctx)
        try:
            return pairs[0][0], parse_quantity(pairs[0][1], pairs[0][0])
        except PredictorError as error:
            self.fail(str(error), param, ctx)


def recipe_options(command: F) -> F:
    """Add the options of `Recipe` and `Axis`; each is optional and changes nothing unless given."""
    options = [
        click.option(f"--{name.replace('_', '-')}", type=QUANTITY, metavar=metavar, help=text)
        for name, (metavar, text) in _QUANTITIES.items()
    ]
    options += [
        click.option("--precision", metavar="FORMAT", help="Number format of training: bf16, fp8, e5m2, fp6, fp4."),
        click.option(
            "--axis",
            type=AxisValue(),
            metavar="COLUMN=VALUE",
            help="Run over this column instead of training tokens, to this value: --axis finetuning_examples=10k.",
        ),
        click.option("--axis-alone", is_flag=True, help="With --axis: leave sizes out."),
    ]
    for option in reversed(options):
        command = option(command)
    return command
