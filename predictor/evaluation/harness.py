"""The border to lm-eval: its tasks, its models, its evaluation loop. Scores leave here as lm-eval computed them.

`lm_eval.evaluate` is called and not `simple_evaluate`: they compute the same, but the latter also describes the machine
after every task (it runs pip), which takes longer than scoring a small model.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.checkpoints.tokenizer import TOKENIZER_FILES, TOKENIZER_SETTINGS
from predictor.errors import CheckpointError, EvaluationError, PredictorError, first_line
from predictor.evaluation.identity import backend_of, seeds_of, selection_of
from predictor.evaluation.quiet import quiet
from predictor.evaluation.references import references_on_the_way, score_references
from predictor.evaluation.suites import SuiteTask
from predictor.evaluation.surroundings import surroundings, variables, warn_if_online
from predictor.evaluation.task_loading import LoadedTask, TaskLoader, keep_ready
from predictor.project import Scoring

if TYPE_CHECKING:
    from predictor.evaluation.measures import Drawn
    from predictor.results.sample_files import SampleFiles

_MEMO_CHARACTERS = 20_000_000


class Harness:
    """lm-eval with its tasks kept loaded from one checkpoint to the next.

    Args:
        scoring: how to score.
        offline: never look anything up on the hub.
        log: file that takes the warnings and the printing of lm-eval and transformers.
    """

    def __init__(self, scoring: Scoring, *, offline: bool = True, log: Path | None = None) -> None:
        self.scoring = scoring
        self.log = log
        self._variables = variables(offline, scoring.allow_code_execution)
        if offline:
            warn_if_online()
        self._tasks = TaskLoader(scoring)
        self._loaded: dict[SuiteTask, LoadedTask] = {}
        self._encodings: dict[str, dict[Any, list[int]]] = {}
        # By backend: the model that was loaded last, with what must be asked for again to go on with its module.
        self._models: dict[str, tuple[Any, dict[str, bool]]] = {}
        self._trees: Any = None
        self._compile: Any = None
        with self.quiet():
            import lm_eval.utils

            # lm-eval compiles the same few prompt templates anew for every item.
            self._compile = functools.lru_cache(maxsize=1024)(lm_eval.utils.env.from_string)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Call other packages: what they print goes to the log, and what is set for them ends with the call."""
        with quiet(self.log), surroundings(self._variables):
            if self._compile is None:
                yield
                return
            import lm_eval.utils

            compile_template, lm_eval.utils.env.from_string = lm_eval.utils.env.from_string, self._compile
            try:
                yield
            finally:
                lm_eval.utils.env.from_string = compile_template

    # -- tasks --------------------------------------------------------------------------------------------------------

    def load_task(self, entry: SuiteTask) -> LoadedTask:
        """Load a task's definition and data, once.

        Raises:
            UnknownNameError: lm-eval has no task of that name.
            EvaluationError: its data or code cannot be loaded, or it does not allow what the suite asks for.
        """
        if entry not in self._loaded:
            with self.quiet():
                self._loaded[entry] = self._tasks.load(entry)
        return self._loaded[entry]

    # -- models -------------------------------------------------------------------------------------------------------

    def load_model(
        self,
        folder: Path,
        backend: str | None = None,
        *,
        tokenizer: Path | None = None,
        trust_remote_code: bool = False,
        spread: bool = False,
    ) -> Any:
        """Load a checkpoint as an lm-eval model.

        A checkpoint that differs from the last one in its weights alone takes that one's place in the same module.

        Args:
            folder: the checkpoint.
            backend: `tree`, `hf` or `vllm`; that of the configuration where None.
            tokenizer: the folder of its tokenizer where that is another one.
            trust_remote_code: run Python code that lies in its folder.
            spread: divide its layers among all GPUs that are visible (`device_map="auto"`).

        Raises:
            MisfitError: its tensors are not those of its configuration.
            CheckpointError: it cannot be loaded.
            EvaluationError: the backend is not installed.
        """
        backend = backend or self.scoring.backend
        with self.quiet():
            from predictor.evaluation.model import load_model
            from predictor.evaluation.scoring.cache import TreeCache

            self._trees = self._trees or TreeCache()
            try:
                asked = {"trust_remote_code": trust_remote_code, "spread": spread}
                last = self._last(backend, asked)
                # Where the files of this checkpoint are damaged, the module is left for the next one.
                if last is None or not last.load_weights(folder, tokenizer):
                    # Let go before the next one is loaded, so that both need not fit.
                    self._models.pop(backend, None)
                    last = None
                    last = load_model(
                        folder,
                        backend,
                        self.scoring,
                        self._trees,
                        tokenizer=tokenizer,
                        **asked,
                    )
            except PredictorError:
                raise
            except Exception as error:
                raise CheckpointError(f"the checkpoint {folder} cannot be loaded ({first_line(error)})") from None
            if hasattr(last, "remember_in"):
                # The checkpoints of a ladder share their tokenizer, so what it made of a prompt is kept.
                last.remember_in(
                    self._encodings.setdefault(_tokenizer_digest(tokenizer or folder), {}), _MEMO_CHARACTERS
                )
            self._models[backend] = (last, asked)
            return last

    def _last(self, backend: str, asked: dict[str, bool]) -> Any:
        """The model that was loaded last, if its module can take the weights of one for which this is asked."""
        last, had = self._models.get(backend, (None, {}))
        return last if had == asked and not asked["spread"] and hasattr(last, "load_weights") else None

    def read_ahead(
        self,
        folder: Path,
        backend: str,
        tokenizer: Path | None = None,
        *,
        trust_remote_code: bool = False,
        spread: bool = False,
    ) -> None:
        """Begin to read the checkpoint that is loaded next in the background, where it will go into the same module.

        It raises nothing: whatever is wrong with that checkpoint is said when it is loaded.
        """
        last = self._last(backend, {"trust_remote_code": trust_remote_code, "spread": spread})
        if last is not None:
            last.read_ahead(folder, tokenizer)

    def drop_ahead(self) -> bool:
        """Let go of what was read ahead, to free its memory; whether there was anything."""
        dropped = [model.drop_ahead() for model, _ in self._models.values() if hasattr(model, "drop_ahead")]
        return any(dropped)

    def forget_models(self) -> None:
        """Let go of the models that were loaded, and of what was read ahead for them."""
        self.drop_ahead()
        self._models.clear()

    def run(self, model: Any, loaded: LoadedTask) -> dict[str, Any]:
        """Score a model on a task; lm-eval's result with its samples.

        Raises:
            EvaluationError: lm-eval or the task's code raised an error.
        """
        import lm_eval
        import numpy as np
        import torch

        selection = selection_of(loaded.entry, self.scoring)
        seeds = seeds_of(self.scoring)
        random.seed(seeds[0])
        np.random.seed(seeds[1])  # noqa: NPY002 - lm-eval's tasks draw from numpy's global generator
        torch.manual_seed(seeds[2])
        for task in loaded.tasks.values():
            task.set_fewshot_seed(seed=seeds[3])
            keep_ready(task)
        try:
            with self.quiet(), references_on_the_way(model, loaded):
                result: dict[str, Any] = lm_eval.evaluate(
                    model,
                    {"tasks": loaded.tasks, "groups": loaded.groups},
                    limit=selection.get("limit"),
                    samples={loaded.entry.task: selection["items"]} if "items" in selection else None,
                    log_samples=True,
                    fewshot_as_multiturn=True,
                    confirm_run_unsafe_code=self.scoring.allow_code_execution,
                )
                if loaded.entry.reference is not None:
                    score_references(model, loaded, result["samples"])
        except PredictorError:
            raise
        except Exception as error:
            raise EvaluationError(f"lm-eval failed on {loaded.entry.task} ({first_line(error)})") from error
        return result

    def sample(
        self, model: Any, loaded: LoadedTask, result: dict[str, Any], files: SampleFiles, check: Callable[[], None]
    ) -> Drawn | None:
        """Sample the answers of a task as its suite asks for; None where it asks for none.

        Args:
            model: the model.
            loaded: the task.
            result: what `run` returned.
            files: where samples are kept until the pair is done.
            check: called now and then; whatever it raises ends the sampling.

        Raises:
            EvaluationError: the backend cannot sample, or the answers cannot be judged.
        """
        if loaded.entry.sampling is None:
            return None
        if backend_of(loaded.entry, self.scoring) == "vllm":
            # Its seed is the engine's: started again it would draw the same answers again.
            raise EvaluationError(
                f"task {loaded.entry.task} cannot be sampled by vllm", "set backend: tree or hf for it in the suite"
            )
        from predictor.evaluation.repeated_sampling import Sampler

        with self.quiet():
            return Sampler(model, loaded, result, files, seeds_of(self.scoring)[2], check).run()


def _tokenizer_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in (*TOKENIZER_FILES, *TOKENIZER_SETTINGS):
        if (folder / name).is_file():
            digest.update(name.encode() + (folder / name).read_bytes())
    return digest.hexdigest()
