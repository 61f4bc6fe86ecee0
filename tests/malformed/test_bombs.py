"""A few bytes that stand for any number: refused in bounded memory and time. Each runs in a process with limits."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TARGET = ("--params", "7B", "--tokens", "300B")
PROJECT = """\
suite: tiny
families: {f: {tokens_per_step: 1, checkpoints: "runs/{run}/step_{step}"}}
runs: {a: {family: f}}
"""


def test_aliases_without_end(refused_within, tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 60)]
    (tmp_path / "c.yaml").write_text("\n".join(lines))
    assert "becomes too large by its aliases" in refused_within("status", "--config", "c.yaml", gigabytes=1)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_as_configuration(refused_within, device):
    assert "is larger than 4 MB" in refused_within("status", "--config", device, gigabytes=1)


def test_devices_as_results(refused_within):
    line = refused_within("forecast", "--results", "/dev/zero", *TARGET)
    assert "/dev/zero" in line


def rows_without_end(path, count):
    """Write a billion equal rows in some kilobytes."""
    schema = pa.schema([("run", pa.string()), ("value", pa.float64())])
    chunk = pa.record_batch([pa.array(["r"]).take(pa.array(np.zeros(10**6, int))), pa.array(np.zeros(10**6))], schema)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for _ in range(count // 10**6):
            writer.write_batch(chunk, row_group_size=10**6)


def test_rows_without_end(refused_within, tmp_path):
    rows_without_end(tmp_path / "t.parquet", 251 * 10**6)
    assert (tmp_path / "t.parquet").stat().st_size < 3_000_000
    assert "which is too many" in refused_within("rank", "--results", "t.parquet")


def test_one_long_text_a_million_times(refused_within, tmp_path):
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(10**6, np.int32)), pa.array(["x" * 10**6]))
    table = pa.table({"run": text, "value": np.zeros(10**6)})
    pq.write_table(table, tmp_path / "t.parquet", compression="zstd")
    assert (tmp_path / "t.parquet").stat().st_size < 2_000_000
    assert "a text of 1,000,000 characters" in refused_within("rank", "--results", "t.parquet")


def test_a_gzip_file_of_noughts(refused_within, tmp_path):
    member = gzip.compress(b"0" * 2**20)
    # Members one behind the other are one file.
    (tmp_path / "t.csv.gz").write_bytes(member * 520)
    given = ("--run", "a", "--params", "1B", "--tokens", "10B", "--store", "store")
    assert "is larger than 512 MiB" in refused_within("import", "table", "t.csv.gz", *given)


def test_a_header_that_claims_any_length(refused_within, tmp_path):
    folder = tmp_path / "runs" / "a" / "step_1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text("{}")
    (tmp_path / "c.yaml").write_text(PROJECT)
    (folder / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(AssertionError, match="exit 0"):
        # Nothing to refuse: that folder fails itself alone.
        refused_within("status", "--config", "c.yaml", gigabytes=1)


def test_values_of_megabytes_are_not_echoed(refused_within, tmp_path):
    (tmp_path / "c.yaml").write_text(PROJECT.replace("family: f}", f"family: {'f' * 3_000_000}}}"))
    assert len(refused_within("status", "--config", "c.yaml", gigabytes=1)) <= 300


def test_a_cell_that_is_longer_than_any_text(refused_within, tmp_path):
    (tmp_path / "long.csv").write_text("run;value;task\n" + "x" * 300_000 + ";2;3\n")
    assert "field larger than field limit" in refused_within("forecast", "--results", "long.csv", *TARGET)
    arguments = ("--run", "a", "--params", "1B", "--tokens", "1B", "--store", "store")
    assert "field larger than field limit" in refused_within("import", "table", "long.csv", *arguments)
