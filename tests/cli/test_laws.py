import json

import pytest

from predictor.laws import LAWS


def test_the_library_is_listed(predictor):
    done = predictor("laws")
    assert all(name in done.stdout for name in LAWS)


def test_a_law_is_explained_with_its_source(predictor):
    done = predictor("laws", "show", "chinchilla")
    assert "2203.15556" in done.stdout
    assert "alpha" in done.stdout


def test_chinchilla_fits_the_published_losses_of_gadre(predictor, testbed):
    # Their runs on RedPajama follow the law within a few per cent; exponents near a quarter, as in the paper's table 2.
    arguments = ("laws", "fit", "chinchilla", "--results", testbed("gadre"), "--family", "rpj", "--task", "loss:c4_val")
    fit = json.loads(predictor(*arguments, "--json", "-").stdout)
    assert fit["converged"]
    assert fit["observations"] == 33
    assert fit["residual_sd"] < 0.02
    assert fit["parameters"]["alpha"] == pytest.approx(0.23, abs=0.05)
    assert fit["parameters"]["beta"] == pytest.approx(0.25, abs=0.05)


def test_a_law_in_loss_reads_the_loss_it_is_given(predictor, ladder_folder):
    arguments = ("--results", ladder_folder, "--task", "medium", "--loss", "loss:heldout")
    done = predictor("laws", "fit", "accuracy_from_loss", *arguments)
    assert "L0" in done.stdout
    assert "6 observations" in done.stdout


def test_wrong_input_is_answered_in_one_line(refused, ladder_folder):
    assert "unknown law" in refused("laws", "show", "newton")
    assert "unknown law" in refused("laws", "fit", "newton", "--results", ladder_folder, "--task", "easy")
    assert "unknown task" in refused("laws", "fit", "chinchilla", "--results", ladder_folder, "--task", "loss:c4")
    assert "has no loss" in refused("laws", "fit", "accuracy_from_loss", "--results", ladder_folder, "--task", "easy")
