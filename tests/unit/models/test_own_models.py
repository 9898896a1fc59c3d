"""A user's own network: what it may do, and what it hears before anything is trained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cnnexp.errors import ModelError
from cnnexp.image_spec import ImageSpec
from cnnexp.models import build_model, check_batch_size, layer_table, register_model

GREY = ImageSpec(1, 28, 28, 10)


def test_literal_sizes_fail_before_training_in_one_sentence() -> None:  # W12
    @register_model("own")
    def literal(spec: ImageSpec) -> nn.Module:
        """A head of 2048 whatever comes."""
        return nn.Sequential(nn.Flatten(), nn.Linear(2048, spec.num_classes))

    with pytest.raises(ModelError, match="'own' fails on 1×28×28 images") as caught:
        build_model("own", GREY)
    assert "\n" not in str(caught.value)


class Short(nn.Module):
    """Returns three logits."""

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        self.layer = nn.Linear(spec.width, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layer(images.mean(dim=(1, 2)))
        return logits


def test_it_must_return_a_logit_per_class() -> None:
    register_model("own")(Short)
    with pytest.raises(ModelError, match=r"must return logits of shape \(2, 10\)"):
        build_model("own", GREY)


class Reading(nn.Module):
    """Reads values while it is built and while it runs: the meta device has none."""

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        width = int(torch.linspace(4, 8, 2).sum().item())
        self.conv = nn.Conv2d(spec.channels, width, 3)
        self.head: nn.Module = nn.Linear(width, spec.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        images = images / max(images.abs().max().item(), 1.0)
        logits: Tensor = self.head(self.conv(images).mean(dim=(2, 3)))
        return logits


def test_it_may_read_values_while_it_is_built_and_run() -> None:
    register_model("own")(Reading)
    torch.manual_seed(0)
    model = build_model("own", GREY)
    torch.manual_seed(0)
    assert torch.equal(model.state_dict()["conv.weight"], Reading(GREY).conv.weight)  # the trial drew nothing
    table = layer_table(model, GREY)
    assert [row.name for row in table.rows] == ["conv", "head"]
    assert table.macs == 26 * 26 * 12 * 9 + 12 * 10


def test_an_error_on_real_values_is_the_one_that_is_told() -> None:
    @register_model("own")
    def broken(spec: ImageSpec) -> nn.Module:  # noqa: ARG001 - it never gets that far
        raise ValueError(f"no weights for {torch.ones(1).item()}")

    with pytest.raises(ModelError, match=r"ValueError: no weights for 1\.0;"):
        build_model("own", GREY)


def test_a_batch_of_one_image_is_refused_where_batch_norm_gets_one_value() -> None:
    arguments = {"widths": [4, 4], "kernel_size": 3}
    shrunk, wider = ImageSpec(1, 5, 5, 2), ImageSpec(1, 6, 5, 2)
    model = build_model("convnet", shrunk, arguments)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ModelError) as caught:
        check_batch_size(model, shrunk, 1)
    assert str(caught.value) == (
        "batch size 1 leaves layer norm2 (BatchNorm2d) one value per channel, and batch norm cannot train on "
        "that; use --batch-size 2 or more."
    )
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    with pytest.raises(ValueError, match="more than 1 value per channel"):  # what torch would have said
        model.train()(torch.rand(1, *shrunk.shape))
    check_batch_size(model, shrunk, 2)
    check_batch_size(build_model("convnet", wider, arguments), wider, 1)


def test_batch_norm_over_features_is_looked_at_too_also_where_values_are_read() -> None:
    class Features(Reading):
        def __init__(self, spec: ImageSpec) -> None:
            super().__init__(spec)
            self.head = nn.Sequential(nn.BatchNorm1d(12), nn.Linear(12, spec.num_classes))

    with pytest.raises(ModelError, match=r"layer head\.0 \(BatchNorm1d\)"):
        check_batch_size(Features(GREY), GREY, 1)
