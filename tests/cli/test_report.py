"""`predictor report` from the outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from predictor.cli.app import main


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {
            "run": f"run-{i}",
            "params": 10**7 * 2**i,
            "tokens": 10**9 * 2**i,
            "task": task,
            "metric": "acc",
            "value": value,
        }
        for i in range(6)
        for task, value in (("rising", 0.3 + 0.06 * i), ("other", 0.28 + 0.05 * i))
    ]
    folder = tmp_path_factory.mktemp("results")
    pd.DataFrame(rows).to_parquet(folder / "evals.parquet")
    described = pd.DataFrame({"task": ["rising", "other"], "metric": "acc", "chance": 0.25, "n_items": 1000})
    described.to_parquet(folder / "tasks.parquet")
    return folder / "evals.parquet"


def predictor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "predictor", *arguments], capture_output=True, text=True, check=False)


def refused(*arguments: str) -> str:
    done = predictor("report", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_a_report_is_written_and_tells_how(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = predictor(
        "report",
        "--results",
        str(table),
        "--params",
        "1.5B",
        "--tokens",
        "1e11",
        "--tasks",
        "rising",
        "--out",
        str(out),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    text = out.read_text(encoding="utf-8")
    assert "1.5B parameters on 100B tokens" in text
    assert "--params 1.5B --tokens 100B --tasks rising --method auto --seed 0 --by " in text
    assert text.count("<article") == 1


def test_help_shows_examples() -> None:
    assert "Examples:" in predictor("report", "--help").stdout


def test_a_missing_folder_is_said_before_the_work(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "report.html"
    line = refused("--results", str(table), "--params", "1B", "--tokens", "1B", "--out", str(out))
    assert "nowhere does not exist" in line


def test_a_table_of_one_run_carries_no_report(table: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(table)
    alone = tmp_path / "alone.parquet"
    frame[frame["run"] == "run-0"].assign(family="x").to_parquet(alone)
    frame = pd.read_parquet(table.with_name("tasks.parquet"))
    frame.to_parquet(tmp_path / "tasks.parquet")
    out = tmp_path / "r.html"
    line = refused("--results", str(alone), "--params", "1B", "--tokens", "1B", "--no-atlas", "--out", str(out))
    assert "only one run" in line
    assert not out.exists()


def test_an_unknown_task_is_refused_by_name(table: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "r.html")
    line = refused("--results", str(table), "--params", "1B", "--tokens", "1B", "--tasks", "risen", "--out", out)
    assert "did you mean rising" in line


def test_all_outputs_are_written_at_once(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("fpdf", reason="downstream-predictor[paper] is not installed")
    target = ("--results", str(table), "--params", "1.5B", "--tokens", "1e11", "--tasks", "rising")
    outputs = ("--out", "r.html", "--pdf", "r.pdf", "--figures", "figures", "--csv", "tables")
    named = [str(tmp_path / word) if not word.startswith("--") else word for word in outputs]
    done = predictor("report", *target, *named)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF-")
    assert (tmp_path / "figures" / "rising-acc.svg").is_file()
    coverage = pd.read_csv(tmp_path / "tables" / "coverage.csv")
    assert "inside80" in coverage.columns
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'id="coverage"' in page
    assert "No held-out loss was scored" in page


def test_bad_places_are_refused_before_the_work(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ("--results", str(table), "--params", "1B", "--tokens", "1B")
    (tmp_path / "file").write_text("kept")
    ledger = table.with_name("ledger.sqlite")
    ledger.write_text("kept")
    same = str(tmp_path / "same")
    for arguments, said in (
        ((), "nothing is to be written"),
        (("--out", "-"), "is not written to standard output"),
        (("--out", same, "--pdf", same), "--out and --pdf name the same file"),
        (("--pdf", str(tmp_path)), "is a folder"),
        (("--pdf", str(tmp_path / "nowhere" / "r.pdf")), "nowhere does not exist"),
        (("--figures", str(tmp_path / "file")), "is a file"),
        (("--figures", str(tmp_path / "nowhere" / "figures")), "nowhere does not exist"),
        (("--csv", str(tmp_path / "nowhere" / "t.csv")), "nowhere does not exist"),
        (("--out", same, "--figures", same), "both"),
        (("--out", str(table)), "would replace"),
        (("--results", str(table.parent), "--out", str(ledger)), "would replace"),
        (("--params", "1e300", "--tokens", "1e300", "--no-coverage", "--out", same), "no model has"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["report", *target, *arguments])
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert said in line
    assert (tmp_path / "file").read_text() == ledger.read_text() == "kept"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_missing_package_is_named(table: Path, tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['matplotlib'] = None; from predictor.cli.app import main; main(sys.argv[1:])"
    arguments = (
        "report",
        "--results",
        str(table),
        "--params",
        "1B",
        "--tokens",
        "1B",
        "--pdf",
        str(tmp_path / "r.pdf"),
    )
    done = subprocess.run([sys.executable, "-c", blocked, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: the package matplotlib is not installed; pip install 'downstream-predictor[paper]'\n"


def test_targets_side_by_side_an_earlier_forecast_and_a_signature(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ["--results", str(table), "--params", "1.5B", "--tokens", "1e11"]
    old, out = tmp_path / "old.json", tmp_path / "report.html"

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        return int(ended.value.code or 0)

    assert run("forecast", *target, "--tasks", "rising", "--json", str(old)) == 0
    more = ["--beside", "3B:2e11", "--against", str(old), "--by", "Ada <L>", "--date", "2026-03-01", "--no-coverage"]
    assert run("report", *target, *more, "--require", "rising=0.5", "--out", str(out)) == 0
    text = out.read_text(encoding="utf-8")
    assert "2026-03-01 · made by Ada &lt;L&gt;" in text
    assert "3B on 200B" in text
    assert "1 of 2\N{NO-BREAK SPACE}benchmarks changed" in text
    again = "--require rising=0.5 --beside 3B:200B --against"
    assert again in text
    capsys.readouterr()
    (tmp_path / "no.json").write_text("{}")
    for arguments, said in (
        (("--against", str(tmp_path / "no.json")), "holds no forecast"),
        (("--against", str(tmp_path / "missing.json")), "cannot be read"),
        (("--params", "3B", "--against", str(old)), "the earlier forecast is of"),
        (("--beside", "7B"), "is not PARAMS:TOKENS"),
        (("--beside", "3B:2e11:nowhere"), "nowhere"),
    ):
        assert run("report", *target, *arguments, "--no-coverage", "--out", str(out)) == 2
        assert said in capsys.readouterr().err
