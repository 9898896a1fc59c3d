"""Every setting, declared once: type, default, help, legal range, search range.

Readers of these declarations: command-line options, YAML files, Python keyword arguments, MLproject
parameters, the settings table of the docs, the search space. A setting has one name everywhere; groups exist
so that a function can receive its own part and never the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cnnexp.settings.ranges import Choice, FloatRange, IntRange
from cnnexp.settings.types import (
    Duration,
    ImageSize,
    empty_is_none,
    flag_or_text,
    mapping_from_text,
    one_or_more,
)

OrNone = BeforeValidator(empty_is_none)


class Group(BaseModel):
    """A few settings that belong together; frozen, and closed to names it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), validate_default=True
    )


class NetworkSettings(Group):
    """Which model, and how its weights start."""

    model: str = Field("lenet", description="Registered model (`cnnexp models` lists them).")
    model_args: Annotated[dict[str, Any], BeforeValidator(mapping_from_text)] = Field(
        {}, description="Arguments of the model's builder, such as kernel_size=5 or widths=[32,64]."
    )
    init: Annotated[Literal["default", "xavier", "kaiming"], Choice(("default", "xavier", "kaiming"))] = (
        Field(
            "default", description="How weights start: PyTorch's own way, Xavier uniform, or Kaiming normal."
        )
    )
    pretrained: Annotated[bool | str, BeforeValidator(flag_or_text)] = Field(
        False,
        description="Start from torchvision's ImageNet weights, or from those of a FILE (.pth or "
        ".safetensors); the head starts anew where the classes differ.",
    )
    freeze: Annotated[bool, Choice((False, True))] = Field(
        False, description="Train the head (the last linear layer) alone."
    )
    conv: Annotated[
        Literal["torch", "loop", "im2col", "shift", "fft", "winograd", "auto"],
        Choice(("torch", "loop", "im2col", "shift", "fft", "winograd", "auto")),
    ] = Field(
        "torch",
        description="Who computes the convolutions: torch, or one of our own algorithms on the same weights.",
    )


class DataSettings(Group):
    """Which images, how they are read, and how they are parted."""

    dataset: str = Field("digits", description="Registered data set (`cnnexp datasets`), or folder:PATH.")
    data_dir: Annotated[str | None, OrNone] = Field(
        None, description="Folder where data sets lie; else ./data."
    )
    image_size: Annotated[ImageSize | None, OrNone] = Field(
        None, description="Height x width in pixels, such as 64 or 64x48; else the data set's own."
    )
    fit: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="How an image of another shape is fitted: stretched, centre-cropped, or padded.",
    )
    color: Literal["auto", "grey", "rgb"] = Field(
        "auto", description="Grey or colour; auto: as the data are."
    )
    normalize: Literal["auto", "dataset", "half", "imagenet", "none"] = Field(
        "auto",
        description="Scale pixels by the training part's mean and sd, by 0.5 and 0.5, by ImageNet's, or only "
        "to [0, 1]; auto: as the pretrained weights need it, else dataset.",
    )
    permute_pixels: Annotated[bool, Choice((False, True))] = Field(
        False,
        description="Show the network every image with its pixels in one other order, drawn by --split-seed.",
    )
    augment: Annotated[
        Literal["none", "flip", "crop-flip", "photo"], Choice(("none", "flip", "crop-flip", "photo"))
    ] = Field(
        "none",
        description="Random changes of training images, drawn per image: flip; crop-flip (shift by up to 4 "
        "pixels, as for CIFAR); photo (resized crop, flip, brightness, contrast, saturation).",
    )
    split: Literal["stratified", "random", "contiguous"] = Field(
        "stratified",
        description="How parts are cut: classes kept in proportion, at random, or in file order.",
    )
    val_fraction: float = Field(
        0.2, gt=0, lt=1, description="Share of the training images used for validation."
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="Share of all images used for testing where the set has no test part."
    )
    split_seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="Seed of the split, and of permuted pixels; apart from --seed by design.",
    )
    fraction: float = Field(1.0, gt=0, le=1, description="Share of every part that is used, for quick looks.")
    shuffle: bool = Field(True, description="New order of the training images in every epoch.")
    skip_bad_images: bool = Field(
        False, description="Go on without images that cannot be read, and record them."
    )
    memory_budget: float = Field(
        0.25,
        gt=0,
        le=1,
        description="Share of this machine's memory a decoded data set may fill; more streams.",
    )
    cache: bool = Field(True, description="Keep decoded images on disk for the next run.")
    workers: int = Field(
        0, ge=0, le=256, description="Processes that decode when images stream; 0: as many as cores."
    )


class OptimizationSettings(Group):
    """How the weights move."""

    batch_size: Annotated[int, IntRange(16, 256, log2=True)] = Field(
        32, ge=1, le=1_000_000, description="Images per step."
    )
    optimizer: Annotated[
        Literal["adam", "adamw", "sgd", "rmsprop"], Choice(("adam", "adamw", "sgd", "rmsprop"))
    ] = Field("adam", description="Optimizer.")
    lr: Annotated[float, FloatRange(1e-4, 1e-1, log=True)] = Field(
        0.005, gt=0, le=100, description="Learning rate (its peak, where a schedule is used)."
    )
    weight_decay: Annotated[float, FloatRange(1e-6, 1e-2, log=True)] = Field(
        0.0, ge=0, le=10, description="Weight decay."
    )
    momentum: Annotated[float, FloatRange(0.0, 0.99)] = Field(0.9, ge=0, lt=1, description="Momentum (sgd).")
    nesterov: Annotated[bool, Choice((False, True))] = Field(False, description="Nesterov momentum (sgd).")
    schedule: Annotated[
        Literal["constant", "step", "cosine", "one-cycle"], Choice(("constant", "cosine", "one-cycle"))
    ] = Field("constant", description="Learning rate over the run.")
    warmup_epochs: Annotated[float, FloatRange(0.0, 5.0)] = Field(
        0.0, ge=0, description="Epochs of linear warm-up from zero."
    )
    step_epochs: int = Field(10, ge=1, description="Epochs between two steps (schedule step).")
    step_factor: float = Field(0.1, gt=0, lt=1, description="Factor of each step (schedule step).")
    label_smoothing: Annotated[float, FloatRange(0.0, 0.2)] = Field(
        0.0, ge=0, lt=1, description="Share of a label spread over all classes."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="Weight the loss by inverse class frequency, for imbalanced sets."
    )
    clip_norm: float = Field(0.0, ge=0, description="Largest norm of the gradient; 0 leaves it alone.")


class TrainingSettings(Group):
    """How long, what counts as best, and the seed."""

    epochs: int = Field(30, ge=1, le=100_000, description="Passes over the training part.")
    max_time: Annotated[Duration | None, OrNone] = Field(
        None, gt=0, description="Stop after this time, such as 90s, 5m or 1h30m."
    )
    monitor: Literal["val/accuracy", "val/loss"] = Field(
        "val/accuracy", description="What the best epoch is best in."
    )
    patience: Annotated[int | None, OrNone] = Field(
        None, ge=1, description="Stop after this many epochs in a row without a better one."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of weights, order and augmentation.")


class ComputeSettings(Group):
    """On what, and in which arithmetic."""

    device: str = Field(
        "auto", description="auto, cpu, cuda, cuda:1, mps; auto takes the first GPU it finds."
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="Arithmetic of the forward pass; fp16 scales the loss."
    )
    compile: bool = Field(
        False, description="torch.compile the model (half a minute; pays for large models)."
    )
    memory_format: Literal["auto", "contiguous", "channels-last"] = Field(
        "auto", description="Memory layout of images and weights; auto: channels-last on CPU and CUDA."
    )
    threads: int = Field(0, ge=0, le=4096, description="CPU threads; 0: as PyTorch chooses.")


class TrackingSettings(Group):
    """Where the run is written, under which name, and how much of it."""

    tracking_uri: Annotated[str | None, OrNone] = Field(
        None, description="MLflow store; else MLFLOW_TRACKING_URI, else sqlite:///mlflow.db in this folder."
    )
    experiment: str = Field("cnnexp", min_length=1, max_length=250, description="MLflow experiment.")
    run_name: Annotated[str | None, OrNone] = Field(None, max_length=250, description="Name of the run.")
    tags: Annotated[dict[str, str], BeforeValidator(mapping_from_text)] = Field(
        {}, description="Tags of the run, name=value."
    )
    figures: Literal["standard", "all", "none"] = Field(
        "standard",
        description="Figures to draw at the end; all: also the first layer's filters, and where the network "
        "looks (Grad-CAM) on some test images.",
    )
    log_model: bool = Field(True, description="Log the best model, preprocessing inside, as an MLflow model.")


class PluginSettings(Group):
    """A user's own code."""

    plugin: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = Field(
        (), description="Python file or module that registers own models or data sets."
    )


class Settings(Group):
    """All settings of one run, by group."""

    command: ClassVar[str] = "train"  # whose help lists them
    own_defaults: ClassVar[Mapping[str, object]] = {}  # of that command, where they differ

    network: NetworkSettings = NetworkSettings()
    data: DataSettings = DataSettings()
    optimization: OptimizationSettings = OptimizationSettings()
    training: TrainingSettings = TrainingSettings()
    compute: ComputeSettings = ComputeSettings()
    tracking: TrackingSettings = TrackingSettings()
    plugins: PluginSettings = PluginSettings()

    def flat(self) -> dict[str, Any]:
        """Returns every setting by its one name, in plain types that YAML and JSON can write."""
        return {
            name: value for group in self.model_dump(mode="json").values() for name, value in group.items()
        }

    def replace(self, **values: object) -> Self:
        """Returns settings in which some have another value, by flat name; values are trusted."""
        changed = {}
        for group_name in type(self).model_fields:
            group = getattr(self, group_name)
            update = {name: values[name] for name in type(group).model_fields if name in values}
            if update:
                changed[group_name] = group.model_copy(update=update)
        return self.model_copy(update=changed)
