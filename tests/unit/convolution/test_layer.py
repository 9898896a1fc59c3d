"""The layer is nn.Conv2d to everybody, and takes its place in any model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from cnnexp.convolution import ALGORITHMS, Conv2d, ConvolutionError, check_model, replace_convolutions


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(16, 4, 3, padding=1, groups=2), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=False))
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        inner,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )


def images(*size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_replaced_model_has_the_same_parameters_and_logits(algorithm: str) -> None:
    model, shown = small_net(), images(2, 3, 6, 6)
    wanted, parameters, keys = model(shown), list(model.parameters()), list(model.state_dict())
    made = replace_convolutions(model, algorithm)
    assert made is model
    assert all(ours is theirs for ours, theirs in zip(made.parameters(), parameters, strict=True))
    assert list(made.state_dict()) == keys
    assert [type(one) for one in made.modules() if isinstance(one, nn.Conv2d)] == [Conv2d] * 3
    assert (made(shown) - wanted).norm() < 1e-5 * wanted.norm()


def test_a_model_of_torchvision_keeps_its_logits() -> None:
    model, shown = torchvision.models.resnet18(num_classes=4).eval(), images(1, 3, 32, 32)
    wanted = model(shown)
    made = replace_convolutions(copy.deepcopy(model), "auto")(shown)
    assert (made - wanted).norm() < 1e-5 * wanted.norm()


def test_training_with_ours_is_training_with_the_librarys_to_within_rounding() -> None:
    nets = small_net(), replace_convolutions(small_net(), "auto")
    shown, labels = images(8, 3, 8, 8), torch.arange(8) % 5
    for net in nets:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(shown), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    for ours, theirs in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_layer_that_stands_in_two_places_stays_one_layer() -> None:
    shared = nn.Conv2d(3, 3, 3, padding=1)
    model = replace_convolutions(nn.Sequential(shared, nn.Sequential(shared)), "auto")
    assert isinstance(model, nn.Sequential)
    inner = model[1]
    assert isinstance(inner, nn.Sequential)
    assert model[0] is inner[0]


def test_hooks_and_modes_stay() -> None:
    model, seen = small_net().eval(), []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    replace_convolutions(model, "im2col")(images(1, 3, 6, 6))
    assert seen == [1]
    assert not model[0].training


def test_a_model_that_is_one_convolution_is_replaced() -> None:
    model = replace_convolutions(nn.Conv2d(3, 2, 3), "shift")
    assert isinstance(model, Conv2d)
    assert model.algorithm == "shift"
    assert "algorithm=shift" in repr(model)


def test_a_replaced_model_can_be_replaced_again() -> None:
    model = replace_convolutions(replace_convolutions(small_net(), "shift"), "fft")
    assert {one.algorithm for one in model.modules() if isinstance(one, Conv2d)} == {"fft"}


def test_a_convolution_with_a_way_of_its_own_is_left_alone() -> None:
    class Standardized(nn.Conv2d):
        pass

    model = replace_convolutions(nn.Sequential(Standardized(3, 2, 5)), "winograd")
    assert type(next(model.children())) is Standardized


def test_what_winograd_cannot_do_is_refused_before_anything_is_exchanged() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 5)))
    with pytest.raises(ConvolutionError, match=r"^layer 1\.0: winograd computes 3×3 .* kernel 5×5"):
        replace_convolutions(model, "winograd")
    assert not any(isinstance(one, Conv2d) for one in model.modules())
    with pytest.raises(ConvolutionError, match="stride 2×2"):
        Conv2d(3, 4, 3, stride=2, algorithm="winograd")
    with pytest.raises(ConvolutionError, match="unknown convolution algorithm 'nonsense'"):
        check_model(nn.Sequential(), "nonsense")


@pytest.mark.parametrize(
    "arguments",
    [
        {"padding": 1},
        {"padding": "same", "dilation": 2, "bias": False},
        {"padding": 1, "padding_mode": "reflect", "stride": 2},
        {"padding": 2, "padding_mode": "replicate"},
        {"padding": "same", "padding_mode": "circular"},
    ],
    ids=str,
)
def test_the_layer_takes_the_arguments_and_weights_of_the_librarys(arguments: dict[str, Any]) -> None:
    theirs, ours = nn.Conv2d(3, 4, 3, **arguments), Conv2d(3, 4, 3, **arguments)
    assert ours.algorithm == "auto"
    ours.load_state_dict(theirs.state_dict())
    for shown in (images(2, 3, 7, 6), images(3, 7, 6)):
        torch.testing.assert_close(ours(shown), theirs(shown))


def test_the_layer_starts_from_the_librarys_initial_weights() -> None:
    torch.manual_seed(3)
    theirs = nn.Conv2d(3, 4, 3)
    torch.manual_seed(3)
    assert torch.equal(Conv2d(3, 4, 3).weight, theirs.weight)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_shapes_are_found_without_values(algorithm: str) -> None:
    """At a size at which `loop` would take minutes: no loop runs."""
    model = replace_convolutions(nn.Sequential(nn.Conv2d(64, 256, 3, padding=1)), algorithm).to("meta")
    assert model(torch.empty(8, 64, 224, 224, device="meta")).shape == (8, 256, 224, 224)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_exported_model_takes_any_number_of_images(algorithm: str) -> None:
    model = replace_convolutions(small_net(), algorithm).eval()
    batch = {0: torch.export.Dim("batch", min=1)}
    graph = torch.export.export(model, (images(2, 3, 6, 6),), dynamic_shapes=(batch,)).module()
    for count in (1, 3):
        shown = images(count, 3, 6, 6)
        torch.testing.assert_close(graph(shown), model(shown))
