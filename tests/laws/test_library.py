from pathlib import Path

import numpy as np
import pytest

from predictor.errors import UnknownNameError
from predictor.laws import LAWS, get_law


def evaluate(name: str, parameters: dict[str, float], **inputs: float) -> float:
    law = get_law(name)
    values = np.array([[parameters[key] for key in law.parameter_names]])
    return float(law.predict({key: np.array([value]) for key, value in inputs.items()}, values)[0, 0])


def test_besiroglus_coefficients_give_the_irreducible_loss_with_endless_size_and_data():
    refit = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}
    assert evaluate("chinchilla", refit, params=1e40, tokens=1e40) == pytest.approx(1.8172, abs=1e-6)


def test_besiroglus_coefficients_make_chinchillas_budget_optimal_near_twenty_tokens_per_parameter():
    # arXiv 2404.10102, section 4: the refit agrees with the 20 tokens per parameter that Hoffmann et al. trained with.
    refit = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}
    budget = 6 * 70e9 * 1.4e12
    sizes = np.geomspace(5e9, 1e12, 4000)
    losses = [evaluate("chinchilla", refit, params=size, tokens=budget / 6 / size) for size in sizes]
    best = sizes[int(np.argmin(losses))]
    assert 15 < budget / 6 / best / best < 30


def test_the_direct_law_is_a_power_law_in_the_normalised_log_accuracy():
    score = evaluate("direct_log_accuracy", {"A": 50.0, "alpha": 0.1}, flops=1e20, chance=0.25)
    assert -np.log((score - 0.25) / 0.75) == pytest.approx(50.0 * 1e20**-0.1)


def test_the_sigmoid_has_gained_half_at_its_middle():
    parameters = {"b": 0.25, "a": 0.6, "k": 3.0, "L0": 1.1}
    assert evaluate("accuracy_from_loss", parameters, loss=1.1) == pytest.approx(0.25 + 0.3)
    assert evaluate("accuracy_from_loss", parameters, loss=500.0) == pytest.approx(0.25)


def test_error_falls_with_the_loss_and_never_exceeds_epsilon():
    parameters = {"epsilon": 0.8, "k": 5.0, "gamma": 1.2}
    errors = [evaluate("error_from_loss", parameters, loss=loss) for loss in (2.0, 3.0, 4.0, 60.0)]
    assert errors == sorted(errors)
    assert errors[-1] == pytest.approx(0.8)


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_every_law_names_its_paper_and_keeps_its_priors_within_its_bounds(law):
    assert "arXiv" in law.source
    for parameter in law.parameters:
        low, high = parameter.prior
        assert parameter.lower <= low < high <= parameter.upper, parameter.name
        assert parameter.scale == "linear" or parameter.lower > 0


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_coordinates_lead_back_to_the_parameters(law):
    values = np.array([[(p.prior[0] + p.prior[1]) / 2 for p in law.parameters]])
    np.testing.assert_allclose(law.outside(law.inside(values)), values, rtol=1e-12)


def test_an_unknown_law_is_answered_with_the_closest():
    with pytest.raises(UnknownNameError, match="did you mean chinchilla"):
        get_law("chinchila")


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_the_guide_shows_every_law_with_a_paper_of_its_own_or_the_same(law):
    guide = (Path(__file__).parent.parent.parent / "docs" / "laws.md").read_text(encoding="utf-8")
    assert f"| `{law.name}` |" in guide
    for number in law.source.replace(",", " ").replace(";", " ").split():
        assert "." not in number or not number[0].isdigit() or number in guide
