"""The layer table, receptive fields, folding, peak memory and the graph: all without values."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnexp.image_spec import ImageSpec
from cnnexp.models import LayerTable, build_model, layer_table, outline_model
from cnnexp.models.flow import follow
from cnnexp.models.graph import graph_of
from cnnexp.models.peak import AliveTensors, training_step_bytes

GREY, PHOTO, SMALL = ImageSpec(1, 28, 28, 10), ImageSpec(3, 224, 224, 10), ImageSpec(1, 16, 16, 2)


def table_of(name: str, spec: ImageSpec, depth: int | None = None) -> LayerTable:
    return layer_table(outline_model(name, spec), spec, depth=depth)


class Branches(nn.Module):
    """A 5×5 window beside a 3×3 one, a pooling written as a function, and the average over all."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(1, 4, 5, padding=2)
        self.narrow = nn.Conv2d(1, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        both = self.wide(images) + self.narrow(images)
        maps = self.last(F.max_pool2d(F.relu(both), 2))
        logits: Tensor = self.fc(maps.mean(dim=(2, 3)))
        return logits


class PerPatch(nn.Module):
    """A linear layer for each patch: what it sees is not the whole image, and not told by its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.fc = nn.Conv2d(1, 4, 4, stride=4), nn.Linear(4, 4), nn.Linear(64, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.mix(self.embed(images).flatten(2).transpose(1, 2)).flatten(1))
        return logits


def test_the_memory_of_lenet_is_the_published_one() -> None:
    table = table_of("lenet", GREY)
    sizes = (table.input_bytes, table.activation_bytes, table.parameter_bytes)
    assert [f"{size / 2**20:.2f}" for size in (*sizes, sum(sizes))] == ["0.00", "0.08", "0.17", "0.25"]
    assert table.totals()[-1].endswith(
        "input 0.00, forward/backward pass 0.08, parameters 0.17, estimated total 0.25"
    )


def test_windows_and_receptive_fields_of_lenet() -> None:
    rows = {row.name: row for row in table_of("lenet", GREY).rows}
    assert (rows["conv1"].kernel_size, rows["conv1"].stride, rows["conv1"].padding) == (
        (5, 5),
        (1, 1),
        (0, 0),
    )
    fields = {name: row.receptive_field for name, row in rows.items()}
    assert [fields[name] for name in ("conv1", "pool1", "conv2", "pool2", "fc1")] == [
        (5, 5), (6, 6), (14, 14), (16, 16), (28, 28),
    ]  # fmt: skip


def test_the_receptive_field_is_what_moves_the_output() -> None:
    torch.manual_seed(0)
    model = build_model(
        "convnet", ImageSpec(1, 40, 40, 2), {"widths": [2, 2], "kernel_size": 5, "pool": True}
    )
    layers = nn.Sequential(*list(model.children())[:8]).eval()  # both blocks
    images = torch.rand(256, 1, 40, 40).requires_grad_()
    (moved,) = torch.autograd.grad(layers(images)[:, :, 3, 3].sum(), images)
    pixels = moved.abs().sum(dim=(0, 1)).nonzero()
    extent = tuple((pixels.amax(dim=0) - pixels.amin(dim=0) + 1).tolist())
    table = layer_table(model, ImageSpec(1, 40, 40, 2))
    field = next(row.receptive_field for row in table.rows if row.name == "pool2")
    # max pooling passes on one pixel of each window, so only many images together show the whole field
    assert field == extent == (16, 16)


def test_branches_see_what_the_widest_sees_and_functions_count() -> None:
    rows = {row.name: row.receptive_field for row in layer_table(Branches(), SMALL).rows}
    # 5, a pooling of 2 (+1), then 3 at a distance of 2 (+4)
    assert rows == {"wide": (5, 5), "narrow": (3, 3), "last": (10, 10), "fc": (16, 16)}


def test_what_is_not_known_stays_blank() -> None:
    rows = {row.name: row for row in layer_table(PerPatch(), SMALL).rows}
    assert rows["embed"].receptive_field == (4, 4)
    assert rows["mix"].receptive_field is None
    assert rows["mix"].cells()[6] == ""
    assert rows["fc"].receptive_field is None


def test_resnets_receptive_field_is_the_known_one() -> None:
    rows = {row.name: row.receptive_field for row in table_of("resnet18", PHOTO).rows}
    assert rows["layer1.1.conv2"] == (43, 43)
    assert rows["layer3.1.conv2"] == (211, 211)  # A. Araujo et al.; layer4 sees more than 224 pixels
    assert rows["layer4.1.conv2"] == (224, 224)


def test_vgg_folds_to_eight_lines_that_hold_eleven_layers() -> None:  # S3, question 1
    spec = ImageSpec(1, 224, 224, 10)
    folded, unfolded = table_of("vgg11", spec, 1), table_of("vgg11", spec, 2)
    assert [row.name for row in folded.rows] == [*(f"block{n}" for n in range(1, 6)), "fc1", "fc2", "fc3"]
    assert folded.rows[4].output_shape == (512, 7, 7)
    assert len(unfolded.rows) == 11
    assert dict(folded.weighted) == {"Conv2d": 8, "Linear": 3}
    for table in (folded, unfolded):
        assert sum(row.parameters for row in table.rows) == table.parameters == 128_806_154
        assert sum(row.macs for row in table.rows) == table.macs


def test_folding_keeps_every_total() -> None:
    whole, folded = table_of("resnet18", PHOTO), table_of("resnet18", PHOTO, 1)
    assert [row.name for row in folded.rows] == ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"]
    for what in ("parameters", "macs", "activation_bytes"):
        assert sum(getattr(row, what) for row in folded.rows) == sum(getattr(row, what) for row in whole.rows)


def test_a_folded_block_gives_out_what_its_branches_come_to() -> None:
    googlenet, densenet = table_of("googlenet", PHOTO, 1), table_of("densenet121", PHOTO, 2)
    shapes = {row.name: row.output_shape for row in (*googlenet.rows, *densenet.rows)}
    assert shapes["inception3a"] == (256, 28, 28)
    assert shapes["features.denseblock1"] == (256, 56, 56)


def test_peak_memory_of_a_step_on_paper() -> None:
    model, spec = nn.Sequential(nn.Flatten(), nn.Linear(256, 2, bias=False)), SMALL
    weights, images, labels = 4 * 512, 4 * 3 * 256, 8 * 3
    small = 4 * (3 * 2)  # logits, and what the loss makes of them: a few of these
    peak = training_step_bytes(model, spec, 3)
    assert 2 * weights + images + labels <= peak <= 2 * weights + images + labels + 6 * small


def test_memory_is_the_same_counted_without_values_and_with() -> None:
    model = build_model("lenet", GREY)
    images, labels = torch.zeros(8, *GREY.shape), torch.zeros(8, dtype=torch.int64)
    with AliveTensors([*model.parameters(), images, labels]) as tensors:
        F.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]  # torch's
    assert tensors.peak == training_step_bytes(model, GREY, 8)


def test_a_graph_has_branches_where_the_network_has() -> None:
    graph = graph_of(Branches(), SMALL)
    titles = [box.title for box in graph.boxes]
    assert titles == ["image", "wide", "narrow", "+", "last", "fc"]
    assert graph.arrows == ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5))


def test_norms_and_activations_stand_in_the_box_they_follow() -> None:
    graph = graph_of(outline_model("convnet", GREY), GREY)
    assert graph.boxes[1].text == "Conv2d 3×3 · BatchNorm2d · ReLU → 32×26×26"
    assert [box.role for box in graph.boxes] == ["other", "convolution", "pool", "linear"]


def test_a_graph_too_long_for_a_page_folds() -> None:
    graph = graph_of(outline_model("densenet121", PHOTO), PHOTO)
    assert graph.num_levels <= 40
    assert "features.denseblock4" in [box.title for box in graph.boxes]
    assert [len(graph_of(outline_model("vgg11", PHOTO), PHOTO, depth=1).boxes)] == [9]


def test_a_layer_called_twice_is_two_steps_and_one_row() -> None:
    shared = nn.Conv2d(1, 1, 3, padding=1)
    model = nn.Sequential(shared, nn.ReLU(), shared, nn.Flatten(), nn.Linear(256, 2))
    steps = follow(model, torch.zeros(1, *SMALL.shape))
    assert [step.kind for step in steps] == ["Conv2d", "ReLU", "Conv2d", "Flatten", "Linear"]
    table = layer_table(model, SMALL)
    assert [row.name for row in table.rows] == ["0", "1", "3", "4"]
    assert table.rows[0].receptive_field == (5, 5)
    assert table.rows[0].activation_bytes == 2 * 4 * 256
    assert sum(row.parameters for row in table.rows) == table.parameters
