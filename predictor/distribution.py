"""The name under which the package is installed, and the commands that install it with an extra.

On the Python Package Index `predictor` is a package of somebody else's: only this module spells an install command.
"""

from __future__ import annotations

from typing import Literal

DISTRIBUTION = "downstream-predictor"
"""What `pip install` takes; the package is imported, and its command called, as `predictor`."""

Extra = Literal[
    "inspect",
    "mlflow",
    "notify",
    "objectstore",
    "paper",
    "postgres",
    "ray",
    "serve",
    "slurm",
    "tensorboard",
    "vllm",
    "wandb",
]


def install_command(extra: Extra | None = None) -> str:
    """Return the command that installs the package with an extra, as `pip install 'downstream-predictor[serve]'`."""
    if extra is None:
        return f"pip install {DISTRIBUTION}"
    return f"pip install '{DISTRIBUTION}[{extra}]'"
