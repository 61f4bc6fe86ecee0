#!/usr/bin/env bash
# Install predictor into a Python environment: torch first and alone, then the wheel with its extras.
#
#   containers/install.sh PYTHON WHEEL [EXTRAS]
#
# TORCH is torch's requirement (default: that of constraints.txt); TORCH_INDEX an index with another build of it, as one for
# machines without a GPU. What the Dockerfile installs, `make release-check` installs by this script, too.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
python=$1 wheel=$2 extras=${3:-serve,paper}
torch=${TORCH:-$(grep '^torch==' "$here/constraints.txt")}

"$python" -m pip install --quiet --disable-pip-version-check ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$torch"
# What is installed stays: no other package may replace the build of torch.
installed=$("$python" -c 'import importlib.metadata; print(importlib.metadata.version("torch"))')
constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT
{ grep -v '^torch==' "$here/constraints.txt"; echo "torch==$installed"; } >"$constraints"
"$python" -m pip install --quiet --disable-pip-version-check --constraint "$constraints" "$wheel[$extras]"
"$python" -m pip check
