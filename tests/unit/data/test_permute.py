from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnexp.data.permute import PermutePixels


def test_one_order_for_all_images_and_channels() -> None:
    images = torch.arange(12).view(1, 1, 3, 4).repeat(5, 3, 1, 1)
    permuted = PermutePixels((3, 4), seed=0)(images)
    assert torch.equal(permuted, permuted[:1, :1].expand_as(permuted))
    assert not torch.equal(permuted, images)
    assert torch.equal(permuted[0, 0].flatten().sort().values, torch.arange(12))


def test_the_seed_alone_decides_the_order() -> None:
    torch.manual_seed(1)
    one = PermutePixels((4, 4), seed=7).order
    torch.manual_seed(2)
    assert torch.equal(one, PermutePixels((4, 4), seed=7).order)
    assert not torch.equal(one, PermutePixels((4, 4), seed=8).order)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_layout_and_dtype_stay(layout: torch.memory_format, dtype: torch.dtype) -> None:
    images = torch.randint(0, 256, (2, 3, 4, 5)).to(dtype).contiguous(memory_format=layout)
    before = images.clone()
    permuted = PermutePixels((4, 5), seed=0)(images)
    assert permuted.is_contiguous(memory_format=layout)
    assert permuted.dtype == dtype
    assert torch.equal(images, before)
    flat = images.flatten(2)[:, :, PermutePixels((4, 5), seed=0).order]
    assert torch.equal(permuted, flat.view(2, 3, 4, 5))


def test_a_linear_layer_does_not_notice_it() -> None:
    """With its weights permuted alike it gives the same: why an MLP learns permuted images as well."""
    images, permute = torch.rand(2, 1, 4, 4), PermutePixels((4, 4), seed=0)
    layer, other = nn.Linear(16, 3), nn.Linear(16, 3)
    other.load_state_dict({"weight": layer.weight[:, permute.order], "bias": layer.bias})
    torch.testing.assert_close(other(permute(images).flatten(1)), layer(images.flatten(1)))
