"""What `auto` takes, and what is refused before anything is trained."""

from __future__ import annotations

import pytest

from cnnexp.convolution import ALGORITHMS, ConvolutionError, choose, refusal


@pytest.mark.parametrize(
    ("weight", "arguments", "algorithm"),
    [
        ((32, 3, 3, 3), {}, "im2col"),
        ((64, 64, 5, 5), {"stride": 2}, "im2col"),
        ((64, 64, 1, 1), {"stride": 2}, "shift"),
        ((64, 64, 15, 15), {}, "fft"),
        ((64, 64, 15, 15), {"stride": 2}, "im2col"),
        ((64, 64, 15, 15), {"dilation": 2}, "im2col"),
        ((64, 1, 15, 15), {"groups": 64}, "im2col"),
    ],
)
def test_auto_chooses_by_shape_and_says_why(
    weight: tuple[int, ...], arguments: dict[str, int], algorithm: str
) -> None:
    channels = weight[1] * arguments.get("groups", 1)
    choice = choose((64, channels, 32, 32), weight, **arguments)
    assert choice.algorithm == algorithm
    assert choice.why


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_only_winograd_has_limits(algorithm: str) -> None:
    refused = [
        refusal(algorithm, kernel_size=3),
        refusal(algorithm, kernel_size=(3, 5)),
        refusal(algorithm, kernel_size=3, stride=2),
        refusal(algorithm, kernel_size=3, dilation=2),
    ]
    assert [one is not None for one in refused] == [False, *[algorithm == "winograd"] * 3]


def test_a_refusal_names_all_that_is_wrong_and_the_way_out() -> None:
    sentence = refusal("winograd", kernel_size=5, stride=(1, 2))
    assert sentence is not None
    assert "kernel 5×5 and stride 1×2" in sentence
    assert sentence.endswith("take one of loop, im2col, shift, fft, auto.")


def test_an_unknown_algorithm_is_answered_with_the_nearest_and_the_list() -> None:
    with pytest.raises(ConvolutionError, match=r"'winogard'; did you mean 'winograd'\? Known: loop, im2col"):
        refusal("winogard", kernel_size=3)
