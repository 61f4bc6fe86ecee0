"""The store that is read where no results are named: that of the checkpoints.yaml in this folder."""

from __future__ import annotations

from pathlib import Path

from predictor.errors import InputError


def store_of_project() -> Path:
    """Find the store of the project in this folder.

    Raises:
        InputError: there is no checkpoints.yaml here.
        ConfigError: it says something that is not allowed.
    """
    config = Path("checkpoints.yaml")
    if not config.exists():
        raise InputError(
            "no --results given and no checkpoints.yaml in this folder", "name a store or a table with --results"
        )
    from predictor.project import load_project

    return load_project(config).store_path
