from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from mlflow import MlflowClient

from cnnexp.cli import cli
from cnnexp.cli.conv_bench import figure_of, parse_shape
from cnnexp.convolution.bench import Row, Shape
from cnnexp.errors import UserError

SMALL = ("--shape", "2x3x8x8:4k3", "--shape", "2x3x9x9:4k5s2p2", "--rounds", "1")


def benched(*options: str) -> Result:
    return CliRunner().invoke(cli, ["conv", "bench", *options], catch_exceptions=False)


def test_a_table_has_a_row_per_shape_pass_and_algorithm_that_can() -> None:
    result = benched(*SMALL, "--algorithms", "loop,im2col,winograd", "--csv", "t.csv")
    assert result.exit_code == 0
    rows = list(csv.DictReader(Path("t.csv").read_text(encoding="utf-8").splitlines()))
    found = {(row["shape"], row["algorithm"]) for row in rows}
    assert ("2x3x8x8:4k3", "winograd") in found
    assert ("2x3x9x9:4k5s2p2", "loop") in found
    assert ("2x3x9x9:4k5s2p2", "winograd") not in found  # 5×5
    assert {row["x torch"] for row in rows if row["algorithm"] == "torch"} == {"1.00"}
    assert len(rows) == 3 * (4 + 3)


def test_the_threads_of_the_process_are_put_back() -> None:
    before = torch.get_num_threads()
    benched(*SMALL, "--algorithms", "im2col", "--threads", "2")
    assert torch.get_num_threads() == before


def test_a_loop_that_would_take_minutes_is_left_out_and_said() -> None:
    result = benched("--shape", "64x64x32x32:64k3p1", "--algorithms", "loop", "--rounds", "1")
    assert "loop is left out for 64x64x32x32:64k3p1: it would take" in result.output
    assert "loop" not in result.stdout


def test_what_is_logged_is_a_run_with_table_and_figure(ready_store: str) -> None:
    result = benched(*SMALL, "--algorithms", "im2col", "--log")
    assert result.exit_code == 0
    client = MlflowClient(ready_store)
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert (run.info.status, run.data.tags["kind"]) == ("FINISHED", "bench")
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    assert (folder / "bench.csv").is_file()
    assert (folder / "figures" / "bench.png").stat().st_size > 5_000


def test_a_figure_has_a_panel_per_pass_and_no_dot_where_an_algorithm_cannot() -> None:
    shapes = [Shape("a", (1, 1, 8, 8), 1, 3), Shape("b", (1, 1, 8, 8), 1, 5)]
    rows = [Row(shape, "torch", "inference", 1e-3, 1.0, 0) for shape in shapes]
    rows += [Row(shapes[0], "winograd", "inference", 3e-3, 3.0, 0)]
    rows += [Row(shape, "auto", "inference", 2e-3, 2.0, 0) for shape in shapes]
    figure = figure_of(rows)
    (panel,) = figure.axes
    assert [np.shape(dots.get_offsets())[0] for dots in panel.collections] == [1, 2]
    assert "auto takes at most 2.0 times" in str(figure.get_suptitle())


def test_a_shape_is_read_with_stride_and_padding() -> None:
    shape = parse_shape("64x3x32x30:16k5s2p1")
    assert (shape.images, shape.weight, shape.stride, shape.padding) == ((64, 3, 32, 30), (16, 3, 5, 5), 2, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("28x28", "must be NxCxHxW:KkR"),
        ("0x3x8x8:4k3", "each at least 1"),
        ("1x3x8x8:4k3s0", "each at least 1"),
        ("1x3x4x4:4k7", r"a kernel of 7×7 is larger than the padded image; add padding, such as p2"),
    ],
)
def test_a_shape_that_cannot_be_is_refused_with_the_way_out(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_shape(text)


def test_a_file_is_overwritten_only_when_asked() -> None:
    Path("t.csv").touch()
    with pytest.raises(UserError, match=r"t.csv exists; give --force"):
        benched(*SMALL, "--csv", "t.csv")
    assert benched(*SMALL, "--algorithms", "im2col", "--csv", "t.csv", "--force").exit_code == 0


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown convolution algorithm 'im2row'; did you mean 'im2col'"):
        benched(*SMALL, "--algorithms", "im2row")
