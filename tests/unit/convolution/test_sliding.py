from __future__ import annotations

import pytest
import torch

from cnnexp.convolution.sliding import LARGEST_SIDE, parse_matrix, slide, written
from cnnexp.errors import UserError

IMAGE = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (7.0, 8.0, 9.0))
KERNEL = ((1.0, 1.0), (-1.0, -1.0))


def test_the_worked_example_comes_out() -> None:
    sliding = slide(IMAGE, KERNEL)
    assert sliding.output == ((-6, -6), (-6, -6))
    step = sliding.steps[1]
    assert (step.row, step.column, step.top, step.left) == (0, 1, 0, 1)
    assert (step.window, step.products) == (((2, 3), (5, 6)), ((2, 3), (-5, -6)))


def test_a_flipped_kernel_gives_the_convolution_of_mathematics() -> None:
    sliding = slide(IMAGE, KERNEL, flip=True)
    assert sliding.applied == ((-1, -1), (1, 1))
    assert sliding.output == ((6, 6), (6, 6))
    assert sliding.is_flipped


def test_a_kernel_that_is_its_own_mirror_image_is_not_flipped() -> None:
    assert not slide(IMAGE, ((1.0, 2.0, 1.0),), flip=True).is_flipped


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "stride"),
    [((5, 4), (3, 2), 0, 1), ((5, 4), (3, 2), 2, 1), ((6, 7), (3, 3), 1, 2), ((1, 1), (3, 3), 1, 3)],
)
def test_every_output_is_what_torch_computes(
    size: tuple[int, int], kernel: tuple[int, int], padding: int, stride: int
) -> None:
    torch.manual_seed(0)
    image, weight = torch.randn(size, dtype=torch.float64), torch.randn(kernel, dtype=torch.float64)
    found = slide(
        tuple(map(tuple, image.tolist())), tuple(map(tuple, weight.tolist())), padding=padding, stride=stride
    )
    expected = torch.nn.functional.conv2d(image[None, None], weight[None, None], None, stride, padding)
    torch.testing.assert_close(torch.tensor(found.output, dtype=torch.float64), expected[0, 0])


def test_a_kernel_larger_than_the_padded_image_is_told_the_padding_that_fits() -> None:
    with pytest.raises(UserError, match=r"6×2 kernel does not fit into the 5×5 padded .*--padding 2 or more"):
        slide(IMAGE, ((1.0, 1.0),) * 6, padding=1)
    assert slide(IMAGE, ((1.0, 1.0),) * 6, padding=2).output


def test_an_image_too_large_to_be_followed_is_refused() -> None:
    with pytest.raises(UserError, match="the padded image has 3×33 pixels"):
        slide(((0.0,) * (LARGEST_SIDE + 1),) * 3, KERNEL)


@pytest.mark.parametrize("text", ["1 2; 3 -4.5", "1,2;3,-4.5;", " 1  2 ;3, -45e-1 "])
def test_rows_end_with_semicolons_and_numbers_with_blanks_or_commas(text: str) -> None:
    assert parse_matrix(text, "--image") == ((1, 2), (3, -4.5))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 a; 2 3", "--image: 'a' is not a finite number"),
        ("1 inf; 2 3", "'inf' is not a finite number"),
        ("1 2; 3", "has rows of 2, 1 numbers"),
        ("", "is empty"),
        ("1 2;;3 4", "has nothing in row 2"),
    ],
)
def test_what_is_no_matrix_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_matrix(text, "--image")


@pytest.mark.parametrize(("number", "text"), [(-0.0, "0"), (-6.0, "-6"), (0.25, "0.25"), (1e9, "1e+09")])
def test_numbers_are_written_short(number: float, text: str) -> None:
    assert written(number) == text
