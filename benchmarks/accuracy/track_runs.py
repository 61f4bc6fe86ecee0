"""The published runs that `track.py` and `track_alarms.py` hold out, and what each is held against.

One run at a time is taken for the run in training, nothing picked, and everything of as much compute is taken away with
it, in all families (within one percent):

- Pythia (both versions), OLMo ladder, Gemstones: every run with three or more of less compute in its family,
- open-sci-ref: the 1.3B run of each of the eight corpora; the smaller ones of that corpus and of all others stay,
- BigScience: each of the three runs of one size, with the other two as its family.

`--peers` leaves the other corpora's runs of the same size in, as for a team that trains one corpus after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from predictor.forecasting.trajectory.observations import Trajectories, read_trajectories
from predictor.forecasting.trajectory.paths import Paths, fit_paths
from predictor.forecasting.trajectory.prior import EndForecast, forecast_ends
from predictor.forecasting.trajectory.tracker import _relatives
from predictor.results import Results, read_results

FAMILIES = {
    "pythia": ("pythia", "pythia-deduped"),
    "olmo_ladder": ("olmo_ladder",),
    "gemstones": ("gemstones",),
    "open_sci_ref": tuple(
        f"osr-{corpus}"
        for corpus in ("c4", "commoncorpus", "dclm", "fineweb-edu", "hplt2", "nemotron-cc-hq", "pile", "slimpajama")
    ),
    "bigscience_1b3": ("bigscience-1b3",),
}
FEWEST_SMALLER = 3
FEWEST_CHECKPOINTS = 5


@dataclass(frozen=True)
class HoldOut:
    """One run, and what it is held against.

    Attributes:
        folder: of the testbed.
        results: its tables.
        trajectories: of the run's family and its relatives.
        run: number of the run.
        others: numbers of the runs that stay.
    """

    folder: str
    results: Results
    trajectories: Trajectories
    run: int
    others: tuple[int, ...]

    @property
    def name(self) -> str:
        """The run's name."""
        return self.trajectories.runs[self.run]

    @property
    def end(self) -> float:
        """Tokens of its last checkpoint."""
        return float(self.trajectories.tokens[self.trajectories.checkpoints(self.run)[-1]])

    def paths(self) -> tuple[Paths, dict[int, EndForecast]]:
        """Forecast its end and fit its paths as `predictor track` does."""
        ends, _ = forecast_ends(self.results, self.trajectories, self.run, self.others, self.end)
        own = {row: (end.median, end.variance) for row, end in ends.items()}
        return fit_paths(self.trajectories, self.run, self.others, own), ends


def hold_outs(testbeds: Path, folders: tuple[str, ...], quick: bool, peers: bool = False) -> Iterator[HoldOut]:
    """Yield every run that is held out; every fourth where it has to be quick."""
    for folder in folders:
        results = read_results(testbeds / folder)
        for family in FAMILIES[folder]:
            trajectories = read_trajectories(results, family, _relatives(results, family))
            runs = list(_of_family(folder, trajectories, peers))
            for run, others in runs[:: 4 if quick and len(runs) > 4 else 1]:
                yield HoldOut(folder, results, trajectories, run, others)


def _of_family(folder: str, trajectories: Trajectories, peers: bool) -> Iterator[tuple[int, tuple[int, ...]]]:
    compute = trajectories.compute()
    count = np.bincount(trajectories.run, minlength=compute.size)
    own = np.flatnonzero(trajectories.family == 0)
    usable = (trajectories.family == 0) | (count >= FEWEST_CHECKPOINTS)
    for run in own[np.argsort(compute[own], kind="stable")]:
        # Runs of the same plan differ by a rounding of their tokens.
        smaller = compute < 0.99 * compute[run]
        if folder == "open_sci_ref" and "1.3b" not in trajectories.runs[run]:
            continue
        if folder == "bigscience_1b3" or peers:
            smaller = np.arange(compute.size) != run
        elif folder != "open_sci_ref" and smaller[own].sum() < FEWEST_SMALLER:
            continue
        yield int(run), tuple(int(other) for other in np.flatnonzero(smaller & usable))
