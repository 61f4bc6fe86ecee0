"""The tiny ladder: real models, small enough to train on two cores in an hour, for demos and tests.

`skills` says what a line of text and an item are, `language` and `symbols` hold the skills, `text` mixes them, `tasks`
writes their lm-eval items; `sizes` declares the runs, `train` trains one, `build` all of them, `describe` writes down
what was made.
"""

from predictor.ladder.build import build
from predictor.ladder.describe import finished_runs
from predictor.ladder.sizes import SIZES, Size, size_named
from predictor.ladder.skills import Example, Skill
from predictor.ladder.tasks import write_tasks
from predictor.ladder.text import SKILLS, documents, token_rows
from predictor.ladder.tokenizer import build_tokenizer
from predictor.ladder.train import Checkpoint, Run, read_run, train

__all__ = [
    "SIZES",
    "SKILLS",
    "Checkpoint",
    "Example",
    "Run",
    "Size",
    "Skill",
    "build",
    "build_tokenizer",
    "documents",
    "finished_runs",
    "read_run",
    "size_named",
    "token_rows",
    "train",
    "write_tasks",
]
