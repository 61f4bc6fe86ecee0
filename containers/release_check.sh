#!/usr/bin/env bash
# make release-check: build the sdist and from it the wheel, install the wheel outside the checkout, and use it there.
#
#   containers/release_check.sh [PYTHON]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${1:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step "build"
"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check build twine
"$work/tools/bin/python" -m build --outdir "$work/dist" "$root" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$work/tools/bin/twine" check --strict "$work"/dist/*

step "install"
"$python" -m venv "$work/env"
"$root/containers/install.sh" "$work/env/bin/python" "$work"/dist/*.whl serve,paper

# From here on nothing of the checkout is used but its models and its tables.
cd "$work"
export PATH="$work/env/bin:$PATH" PYTHONPATH= XDG_CACHE_HOME="$work/cache" COLUMNS=80
cp "$root/examples/four_models.csv" .

step "a forecast from a table"
predictor --version
predictor forecast --results four_models.csv --params 608496 --tokens 10M --json forecast.json
predictor report --results four_models.csv --params 608496 --tokens 10M --out report.html --pdf report.pdf
python -c '
import json, pathlib
answer = json.load(open("forecast.json"))
assert len(answer["forecasts"]) == 11, answer
assert answer["record"]["inputs"], "the record names no input"
assert pathlib.Path("report.html").stat().st_size > 100_000
assert pathlib.Path("report.pdf").read_bytes().startswith(b"%PDF")
'

step "the demo, short"
cat >suite.yaml <<END
name: short
include_path: $root/benchmarks/tasks/tiny
num_fewshot: 0
tasks:
  - {task: tiny_brackets, metric: acc, chance: 0.25}
  - {task: tiny_heldout, kind: loss}
END
cat >checkpoints.yaml <<END
suite: suite.yaml
families:
  tiny: {tokens_per_step: 2048, schedule_end: 4882, checkpoints: "$root/benchmarks/ladder/{run}/step_{step}"}
runs:
  4k: {family: tiny}
  9k: {family: tiny}
  15k: {family: tiny}
  33k: {family: tiny, role: target}
target: {family: tiny, params: 33300, tokens: 9998336, run: 33k}
scoring: {device: cpu, dtype: float32, limit: 16}
settle_seconds: 0
END
predictor demo --config checkpoints.yaml --out demo
predictor query tiny_brackets --results demo/store --params 33300 --tokens 10M

step "extras"
predictor serve --results demo/store --port 0 >serve.log 2>&1 &
server=$!
for _ in $(seq 60); do grep -q http serve.log && break; sleep 1; done
grep http serve.log
kill "$server"
wait "$server"

step "done"
