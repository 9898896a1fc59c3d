"""Writes the tables of docs/models.md from the models themselves: `python scripts/models_table.py`.

Text between the tables is written by hand and stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, layer_table, outline_model

TARGET = Path(__file__).parents[1] / "docs" / "models.md"
COUNTS, LIST = "counts", "list"


@dataclass(frozen=True, slots=True)
class Counted:
    """A network of a write-up or a paper, its parameters counted independently of this code.

    Attributes:
        source: S0 to S4 are the five write-ups.
        parameters: as counted independently; those that a write-up prints are the same.
    """

    source: str
    model: str
    spec: ImageSpec
    parameters: int
    arguments: tuple[tuple[str, object], ...] = ()

    def row(self) -> str:
        """Returns that count beside ours."""
        arguments = dict(self.arguments)
        table = layer_table(outline_model(self.model, self.spec, arguments), self.spec)
        shown = " ".join([f"`{self.model}`", *(f"`{name}={_yaml(value)}`" for name, value in self.arguments)])
        return (
            f"| {self.source} | {shown} | {self.spec} | {self.parameters:,} | {table.parameters:,} "
            f"| {table.macs:,} |"
        )


PHOTO, DIGIT, CIFAR = ImageSpec(3, 64, 64, 3), ImageSpec(1, 28, 28, 10), ImageSpec(3, 32, 32, 10)
GREY_224, GREY_96, RGB_224 = ImageSpec(1, 224, 224, 10), ImageSpec(1, 96, 96, 10), ImageSpec(3, 224, 224, 10)
QUARTER = (("width_divisor", 4),)
PUBLISHED = (
    Counted("S0", "convnet", PHOTO, 1_059),
    Counted("S0", "convnet", PHOTO, 19_779, (("widths", [32, 64]),)),
    Counted("S0", "convnet", PHOTO, 94_083, (("widths", [32, 64, 128]),)),
    Counted("S0", "convnet", PHOTO, 2_595, (("kernel_size", 5),)),
    Counted("S0", "convnet", PHOTO, 4_899, (("kernel_size", 7),)),
    Counted("S1", "lenet", DIGIT, 44_426),
    Counted("S1, a reader", "lenet-reader", DIGIT, 61_706),
    Counted("S2", "mlp", DIGIT, 6_442),
    Counted("S2", "cnn", DIGIT, 6_422),
    Counted("S2", "cifar-tutorial", CIFAR, 62_006),
    Counted('S2, "VGG16", head 2048', "vgg8-cifar", CIFAR, 9_246_474, (("last_pool", False),)),
    Counted('S2, "VGG16", head 512', "vgg8-cifar", CIFAR, 9_231_114),
    Counted("VGG-16 for CIFAR", "vgg16-cifar", CIFAR, 14_728_266),
    Counted("S3", "vgg11", GREY_224, 128_806_154),
    Counted("S3", "vgg13", GREY_224, 128_990_666),
    Counted("S3", "vgg16", GREY_224, 134_300_362),
    Counted("S3", "vgg19", GREY_224, 139_610_058),
    Counted("S3, trained", "vgg11", GREY_224, 43_093_322, QUARTER),
    Counted("S3, question 3", "vgg11", GREY_96, 22_121_802, QUARTER),
    Counted("S3", "vgg11", CIFAR, 28_144_010),
    Counted("S3, batch norm", "vgg16", RGB_224, 134_309_962, (("batch_norm", True),)),
    Counted("S4", "three-block", CIFAR, 652_426),
    Counted("S3, question 2", "alexnet", GREY_224, 46_764_746),
    Counted("torchvision", "alexnet-tv", RGB_224, 57_044_810),
    Counted("torchvision", "googlenet", RGB_224, 5_610_154),
    Counted("torchvision", "resnet18", RGB_224, 11_181_642),
    Counted("torchvision", "resnet34", RGB_224, 21_289_802),
    Counted("torchvision", "resnet50", RGB_224, 23_528_522),
    Counted("torchvision", "densenet121", RGB_224, 6_964_106),
)


def models_page(page: str) -> str:
    """Returns the page with its two tables made anew."""
    aliases = {name: ", ".join(f"`{alias}`" for alias in MODELS.aliases(name)) for name in MODELS.names()}
    listed = [f"| `{entry.name}` | {entry.summary} | {aliases[entry.name]} |" for entry in MODELS]
    page = _replaced(page, LIST, ["| model | what | also called |", "|---|---|---|", *listed])
    head = "| source | network | image | counted independently | here | MACs |"
    return _replaced(page, COUNTS, [head, "|---|---|---|--:|--:|--:|", *(one.row() for one in PUBLISHED)])


def _replaced(page: str, name: str, lines: list[str]) -> str:
    begin, end = f"<!-- {name}: made by scripts/models_table.py -->", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{TARGET.name} lacks the marks {begin!r} and {end!r}")
    return "\n".join([before + begin, "", *lines, "", end + after])


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace(" ", "")


if __name__ == "__main__":
    TARGET.write_text(models_page(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {TARGET.name}")
