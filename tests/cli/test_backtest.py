import json

import pytest


def test_json_holds_every_forecast_its_truth_and_what_reproduces_it(predictor, ladder_folder):
    done = predictor("backtest", "--results", ladder_folder, "--hold-out", "1", "--json", "-")
    answer = json.loads(done.stdout)
    assert {(one["hold_out"], one["run"], one["ratio"]) for one in answer["forecasts"]} == {(1, "run-3e+09", 4.0)}
    for one in answer["forecasts"]:
        low, high = one["intervals"]["80"]
        assert one["inside"]["80"] == (low <= one["truth"] <= high)
        assert one["intervals"]["95"][0] <= low <= one["forecast"] <= high <= one["intervals"]["95"][1]
        assert one["grade"] in "ABCDEF"
        assert {"last_value", "direct"} <= set(one["by_method"])
        assert one["num_fewshot"] == 0
    errors = [abs(one["forecast"] - one["truth"]) for one in answer["forecasts"]]
    assert answer["summary"]["by_distance"][-1]["errors"]["combination"]["mean"] == pytest.approx(sum(errors) / 3)
    assert answer["record"]["seed"] == 0
    assert answer["record"]["inputs"]["evals.parquet"].startswith("sha256:")


def test_the_table_shows_each_method_beside_the_noise_and_each_task_asked_for(predictor, ladder_folder):
    out = ladder_folder / "out.json"
    done = predictor("backtest", "--results", ladder_folder, "--tasks", "easy,hard", "--json", out)
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    starts = [line[0] for line in lines]
    assert {"combination", "last_value", "ability", "noise", "inside", "width", "easy", "hard"} <= set(starts)
    assert "medium" not in starts
    assert "(1, 2, 3 runs held out)" in done.stdout
    # Piped, progress is plain lines on stderr, one for each hold-out.
    assert "Holding out 3/3" in done.stderr
    assert "\x1b" not in done.stderr
    task = next(line for line in lines if line[0] == "hard")
    (row,) = [one for one in json.loads(out.read_text())["summary"]["by_task"] if one["task"] == "hard"]
    assert task[2] == f"{100 * row['errors']['combination']['mean']:.1f}"


def test_wrong_input_is_answered_in_one_line(refused, ladder_folder, tmp_path, draw_ladder):
    run = ("backtest", "--results", ladder_folder)
    assert "holding out 5 leaves 1, and 3 are needed" in refused(*run, "--hold-out", "5")
    assert "--hold-out" in refused(*run, "--hold-out", "0")
    assert "unknown task 'esy'" in refused(*run, "--tasks", "esy")
    draw_ladder(sizes=(1e8, 4e8)).to_csv(tmp_path / "two.csv", index=False)
    assert "has 2 runs" in refused("backtest", "--results", "two.csv")
