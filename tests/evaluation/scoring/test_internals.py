"""A package that lacks what the scorer uses of it is named, with the versions to install."""

import runpy
from importlib.metadata import version
from pathlib import Path

import lm_eval.models.utils
import pytest

import predictor.evaluation.scoring
from predictor.errors import EvaluationError

FOLDER = Path(predictor.evaluation.scoring.__file__).parent


@pytest.mark.parametrize("name", ["has_bos_prefix", "postprocess_generated_text"])
def test_an_lm_eval_without_a_function_is_refused_with_its_name_and_version(monkeypatch, name):
    monkeypatch.delattr(lm_eval.models.utils, name)
    with pytest.raises(EvaluationError, match=rf"lm-eval {version('lm-eval')} has no {name}.*install lm-eval 0\.4"):
        runpy.run_path(str(FOLDER / "lm_eval_internals.py"))


def test_an_lm_eval_that_does_not_normalize_options_leaves_generation_to_hf(monkeypatch):
    monkeypatch.delattr(lm_eval.models.utils, "normalize_gen_kwargs")
    internals = runpy.run_path(str(FOLDER / "lm_eval_internals.py"))
    assert internals["generation_options"]({"until": ["\n"]}, 256) is None


def test_options_come_in_one_form_where_lm_eval_normalizes_them():
    internals = runpy.run_path(str(FOLDER / "lm_eval_internals.py"))
    options = internals["generation_options"]({"until": "\n", "max_new_tokens": 7}, 256)
    assert (options["until"], options["max_gen_toks"], options["do_sample"]) == (["\n"], 7, False)
