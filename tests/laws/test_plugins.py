"""Laws that other packages bring by an entry point."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from predictor.errors import InputError, UnknownNameError
from predictor.fitting import fit_law
from predictor.laws import LAWS, get_law, laws_by_theme

DOCS = Path(__file__).parent.parent.parent / "docs" / "how-to" / "own-laws.md"
OWN = re.search(r"```python\n(from predictor.laws import Input.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lay a distribution on the path, as an installer would."""

    def lay(code, entry_points):
        (tmp_path / "my_laws.py").write_text(code, encoding="utf-8")
        info = tmp_path / "my_laws-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-laws\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[predictor.laws]\n{entry_points}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "my_laws", raising=False)

    yield lay
    sys.modules.pop("my_laws", None)


def test_the_guide_needs_fifteen_lines():
    assert len([line for line in OWN.splitlines() if line.strip()]) <= 15


def test_the_law_of_the_guide_is_found_listed_and_fitted(install):
    install(OWN, "sqrt_law = my_laws:SQRT_LAW")
    law = get_law("sqrt_law")
    assert law in laws_by_theme()["of other packages"]
    tokens = np.geomspace(1e8, 1e12, 9)
    fit = fit_law(law, {"tokens": tokens}, 1.7 + 3e3 / np.sqrt(tokens))
    assert fit.parameters["E"] == pytest.approx(1.7, rel=1e-4)
    assert fit.parameters["A"] == pytest.approx(3e3, rel=1e-4)


def test_a_package_is_imported_only_when_its_law_is_asked_for(install):
    install("raise RuntimeError('no GPU here')", "sqrt_law = my_laws:SQRT_LAW")
    assert get_law("chinchilla") is LAWS["chinchilla"]
    with pytest.raises(UnknownNameError, match="did you mean sqrt_law"):
        get_law("sqrt_lav")
    assert "my_laws" not in sys.modules


def test_a_broken_plug_in_is_named_with_what_is_wrong(install):
    install("raise RuntimeError('no GPU here')", "sqrt_law = my_laws:SQRT_LAW")
    expected = r"law 'sqrt_law' of my-laws .* RuntimeError: no GPU here; fix or uninstall my-laws"
    with pytest.raises(InputError, match=expected):
        get_law("sqrt_law")
    with pytest.raises(InputError, match=expected):
        laws_by_theme()


def test_what_is_no_law_or_bears_another_name_is_refused(install):
    install("x = 3", "three = my_laws:x")
    with pytest.raises(InputError, match="is of type int, not a Law"):
        get_law("three")
    install(OWN, "other = my_laws:SQRT_LAW")
    with pytest.raises(InputError, match="is named 'sqrt_law'; let the entry point bear the law's name"):
        get_law("other")


def test_no_plug_in_replaces_a_law_of_ours(install):
    install(OWN.replace('"sqrt_law"', '"chinchilla"'), "chinchilla = my_laws:SQRT_LAW")
    assert get_law("chinchilla") is LAWS["chinchilla"]
    assert "of other packages" not in laws_by_theme()
