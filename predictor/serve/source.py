"""What the pages are made of: the summary, the progress, and the forecasts; no request waits for files or fits."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

from predictor.errors import PredictorError
from predictor.results.ledger import DONE
from predictor.results.readers import hash_inputs
from predictor.results.store import Store
from predictor.serve.compute import Answer, Question
from predictor.serve.forecasts import Forecasts
from predictor.serve.processes import Helper
from predictor.serve.progress import Progress, count_ledger, keep_counting
from predictor.serve.reading import keep_reading
from predictor.serve.summary import Facts, Summary, summary_file

_LEDGER = "ledger.sqlite"
_FIRST = 30.0
"""Seconds for which a start waits for the first look; what is not read by then, and any large store, is shown while it
is read."""
_MOMENT = 1.0
"""Seconds for which counts of the ledger are shown before it is asked again."""


class Source:
    """Keeps a summary of results up to date, and has forecasts made.

    Both are done by processes of their own: reading and fitting hold the interpreter's lock, and pages would wait.

    Args:
        path: a store, a folder with evals.parquet, or a table.
        every: seconds between looks at the files.
        config: checkpoints.yaml of the project whose scores these are; its pairs are counted as by `predictor status`.
    """

    def __init__(self, path: Path, every: float = 5.0, config: Path | None = None) -> None:
        self._config = config
        self._of_project: Progress | None = None
        self._counter: Helper | None = None
        self.path = path
        self.every = every
        self._stop = threading.Event()
        self._first = threading.Event()
        self._error: PredictorError | None = None
        self._helper: Helper | None = None
        self._progress: tuple[float, Progress] | None = None
        self._counting = threading.Lock()

    def start(self) -> None:
        """Begin to read, and keep reading in the background.

        Raises:
            PredictorError: nothing readable is there.
        """
        if not Store.looks_like(self.path):
            hash_inputs(self.path)
        self.summary = Summary(summary_file(self.path))
        self.forecasts = Forecasts(self.path, self.summary.file)
        threading.Thread(target=self._keep, name="results", daemon=True).start()
        if self._config is not None:
            threading.Thread(target=self._keep_counting, args=(self._config,), name="progress", daemon=True).start()
        self._first.wait(_FIRST)
        if self._error is not None and not self.facts.files_read:
            self.close()
            raise self._error

    def close(self) -> None:
        """Stop reading, and drop what is being computed."""
        self._stop.set()
        self.forecasts.close()
        for helper in (self._helper, self._counter):
            if helper is not None:
                helper.end()

    @property
    def facts(self) -> Facts:
        """How the summary stands."""
        return self.summary.facts()

    def prepare(self, family: str) -> None:
        """Begin to fit a family, as it will be asked for in a moment."""
        self.forecasts.prepare(Question(family), self.facts.generation)

    def answer(self, question: Question, client: str) -> Answer | None:
        """Forecast a target; None while it is being computed, ask again then.

        Raises:
            BusyError: too much is asked for.
            PredictorError: the family carries no forecast.
        """
        return self.forecasts.ask(question, self.facts.generation, client)

    def progress(self) -> Progress:
        """Count pairs by state: of the project, or of the ledger; what has neither is done as far as it was scored."""
        with self._counting:
            if self._progress is None or time.monotonic() - self._progress[0] > _MOMENT:
                self._progress = (time.monotonic(), self._count())
            return self._progress[1]

    def _count(self) -> Progress:
        counted = self._of_project or count_ledger(self.path / _LEDGER)
        if counted.by_run or counted.of_project:
            return counted
        rows = self.summary.rows("SELECT run, count(*) FROM scores GROUP BY run ORDER BY run")
        return Progress.of([(run, DONE, number) for run, number in rows], (), counted.trouble)

    def _keep_counting(self, config: Path) -> None:
        """Have a process count the project's pairs, and another one if that was ended from outside."""
        while not self._stop.is_set():
            helper = self._counter = Helper(keep_counting, config, self.path, self.every)
            with contextlib.suppress(EOFError):
                while not self._stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        self._of_project = helper.receive(1.0)
            helper.end()
            self._stop.wait(1.0)

    def _keep(self) -> None:
        """Have a process read, and another one if that was ended from outside."""
        while not self._stop.is_set():
            helper = self._helper = Helper(keep_reading, self.path, self.summary.file, self.every)
            with contextlib.suppress(EOFError):
                while not self._stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        self._error = helper.receive(1.0)
                        self._first.set()
            helper.end()
            self._stop.wait(1.0)
