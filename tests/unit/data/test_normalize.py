from __future__ import annotations

import pytest
import torch

from cnnexp.data.normalize import Normalize

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_textbook_formula_in_either_layout(dtype: torch.dtype, layout: torch.memory_format) -> None:
    images = torch.randint(0, 256, (5, 3, 6, 7)).to(dtype).contiguous(memory_format=layout)
    expected = (images.double() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    found = Normalize(MEAN, STD)(images)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), expected, atol=1e-5)
    assert found.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_w8_the_input_is_never_changed(layout: torch.memory_format) -> None:
    for images in (torch.rand(2, 3, 4, 4) * 255, torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)):
        laid = images.contiguous(memory_format=layout)
        before = laid.clone()
        Normalize(MEAN, STD)(laid).zero_()
        assert torch.equal(laid, before)


def test_grey_images_work_in_either_layout() -> None:
    images = torch.randint(0, 256, (2, 1, 5, 5), dtype=torch.uint8)
    expected = (images / 255 - 0.5) / 0.5
    for layout in (torch.contiguous_format, torch.channels_last):
        assert torch.allclose(
            Normalize([0.5], [0.5])(images.contiguous(memory_format=layout)), expected, atol=1e-6
        )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_can_be_exported_for_any_batch_size(layout: torch.memory_format) -> None:
    module = Normalize(MEAN, STD).eval()
    example = torch.zeros(4, 3, 8, 8, dtype=torch.uint8).contiguous(memory_format=layout)
    exported = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    images = torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8).contiguous(memory_format=layout)
    assert torch.allclose(exported.module()(images), module(images))


def test_a_zero_standard_deviation_is_refused() -> None:
    with pytest.raises(ValueError, match="std above 0"):
        Normalize([0.5], [0.0])
