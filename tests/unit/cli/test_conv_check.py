from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner, Result
from torch import Tensor

from cnnexp.cli import cli
from cnnexp.convolution import check as proof
from cnnexp.convolution.convolve import convolve
from cnnexp.errors import ConvolutionError


def checked(*options: str) -> Result:
    return CliRunner().invoke(cli, ["conv", "check", *options])


def test_every_algorithm_is_equal_to_torch_on_random_shapes() -> None:
    result = checked("--cases", "12", "--seed", "3")
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line.split() for line in result.output.splitlines() if line.endswith("yes")}
    assert set(rows) == {"loop", "im2col", "shift", "fft", "winograd", "auto"}
    assert int(rows["winograd"][1]) >= 4
    assert "winograd refused" in result.output


def test_an_algorithm_that_is_off_is_found_with_its_shape_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def off(images: Tensor, weight: Tensor, bias: Tensor, **options: object) -> Tensor:
        return convolve(images, weight, bias, **options) * (1 + 1e-4)  # type: ignore[arg-type]

    monkeypatch.setattr(proof, "convolve", off)
    result = checked("--cases", "3", "--algorithm", "im2col")
    assert result.exit_code == 1
    assert "NO" in result.output
    assert "im2col is off most at" in result.output


def test_an_error_in_one_gradient_alone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_gradient_of_bias(images: Tensor, weight: Tensor, bias: Tensor, **options: object) -> Tensor:
        return convolve(images, weight, bias.detach() + 0 * bias, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(proof, "convolve", no_gradient_of_bias)
    (verdict,) = proof.check(["im2col"], proof.random_cases(2, seed=0))
    assert not verdict.is_equal
    assert verdict.worst[torch.float64] > 1e6


def test_the_same_seed_gives_the_same_shapes() -> None:
    assert list(proof.random_cases(9, seed=1)) == list(proof.random_cases(9, seed=1))
    assert list(proof.random_cases(9, seed=1)) != list(proof.random_cases(9, seed=2))


def test_an_unknown_algorithm_is_named_with_those_there_are() -> None:
    with pytest.raises(ConvolutionError, match=r"unknown convolution algorithm 'wino'.*Known: loop, im2col"):
        list(proof.check(["wino"], proof.random_cases(1, seed=0)))
