"""Settings -> objects. The only place that knows every package; what it builds knows none of the others."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from cnnexp.data import load_dataset
from cnnexp.data.augment import augmentation
from cnnexp.data.batches import Batches
from cnnexp.data.dataset import ImageDataset
from cnnexp.data.normalize import Normalize
from cnnexp.data.permute import PermutePixels
from cnnexp.errors import DataError
from cnnexp.experiment.convolutions import TORCH, has_convolutions, with_algorithm
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.weights import start_from_weights
from cnnexp.models import MODELS, build_model, check_arguments, check_batch_size, initialize
from cnnexp.models.freezing import freeze_all_but_head
from cnnexp.models.pretrained import normalization_of
from cnnexp.settings import DataSettings, Settings
from cnnexp.training.compute import Compute, find_compute
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.judges import Judge, standard_judges
from cnnexp.training.loop import Loop
from cnnexp.training.optimizers import build_optimizer, unused_settings
from cnnexp.training.seeding import seed_everything
from cnnexp.training.step import Loss, Stepper, balanced_weights

# Pixels a batch where nothing is learned: 334 images of 28×28, 256 of 32×32. Larger batches of a CIFAR net
# run at half the speed on a CPU (their activations no longer come from malloc's heap).
EVALUATION_PIXELS = 2**18

# Logged elsewhere (one by one, as tags, as the run's place), or only a matter of this machine.
ELSEWHERE = {"model_args", "tags", "tracking_uri", "experiment", "data_dir", "cache"}
Load = Callable[..., ImageDataset]


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything a run is made of.

    Attributes:
        settings: resolved: nothing is `auto`.
        asked: as they were given.
        dataset: parts, classes, statistics.
        network: takes normalised float images; lies on the device; convolves as the setting `conv` says.
        torch_network: the same weights under torch's convolutions: what is counted and what is logged.
        normalize: uint8 images to normalised float ones, their pixels permuted if that is asked for.
        compute: device, arithmetic, layout.
        weights: what the network starts from, where it is pretrained.
    """

    settings: Settings
    asked: Settings
    dataset: ImageDataset
    network: nn.Module
    torch_network: nn.Module
    normalize: nn.Module
    compute: Compute
    weights: str | None = None

    @property
    def dataset_name(self) -> str:
        """The data set as people call it: of a folder its name, not its whole path."""
        kind, sign, path = self.settings.data.dataset.partition(":")
        return f"{kind}:{Path(path).name}" if sign else kind

    @property
    def title(self) -> str:
        """What is trained on what."""
        return f"{self.settings.network.model} on {self.dataset_name}"

    def classifier(self) -> nn.Module:
        """Returns a copy for use: uint8 images (N, C, H, W) to probabilities (N, K), on the CPU."""
        layers = OrderedDict(
            normalize=self.normalize, network=self.torch_network, probabilities=nn.Softmax(dim=1)
        )
        twin = copy.deepcopy(nn.Sequential(layers)).cpu().eval()
        for parameter in twin.parameters():
            parameter.data = (
                parameter.data.contiguous()
            )  # an exported graph keeps the layout it was traced with
        return twin

    def params(self) -> dict[str, object]:
        """Returns what was built, under the names it is logged by; what had no effect is not among it."""
        flat = self.settings.flat()
        hidden = unused_settings(self.settings.optimization) | self._unused_of_data() | ELSEWHERE
        if not has_convolutions(self.torch_network):
            hidden.add("conv")
        params = {
            name: value for name, value in flat.items() if name not in hidden and value not in (None, [])
        }
        params |= {f"model.{name}": value for name, value in flat["model_args"].items()}
        parts = {"train": self.dataset.train, "val": self.dataset.val, "test": self.dataset.test}
        params |= {f"num_{name}": len(part) for name, part in parts.items()}
        # `color` stays as given in the settings: a repeated run then finds the same entry of the cache.
        color = "grey" if self.dataset.spec.channels == 1 else "rgb"
        if self.weights is not None:
            params["pretrained"] = self.weights
        return params | {"dataset": self.dataset_name, "color": color}

    def _unused_of_data(self) -> set[str]:
        """Settings of the data that changed nothing, given what the set has itself and where it lies."""
        data, cut = self.settings.data, self.dataset.cut
        unused = {f"{part}_fraction" for part in ("val", "test") if part not in cut}
        is_drawn = bool(cut) or data.fraction < 1
        if not is_drawn:
            unused.add("split")
        if (not is_drawn or data.split == "contiguous") and not data.permute_pixels:
            unused.add("split_seed")
        if self.dataset.train.source.resident:
            unused |= {"workers", "memory_budget"}
        return unused


def assemble(
    settings: Settings, listener: Listener, *, load: Load = load_dataset, resumes: bool = False
) -> Assembly:
    """Loads the data, builds the network, and resolves every `auto`.

    Args:
        settings: of the run.
        listener: hears of progress and of what the data set has to say.
        load: returns the data set; many runs of one process can share it.
        resumes: the weights will come from a checkpoint: pretrained ones are not looked for.

    Raises:
        UserError: anything that cannot work is found here, before a run is opened.
    """
    asked, model = settings, MODELS.get(settings.network.model)
    settings = settings.replace(model=model.name)  # an alias may have been given
    if settings.data.normalize == "auto":
        pretrained = settings.network.pretrained
        settings = settings.replace(normalize=normalization_of(model.name) if pretrained else "dataset")
    arguments = check_arguments(model, settings.network.model_args)
    compute = find_compute(settings.compute)
    dataset = load(settings.data, progress=listener.progress)
    for note in dataset.notes:
        listener.note(note)
    if len(dataset.train) < settings.optimization.batch_size:
        raise DataError(
            f"the training part has {len(dataset.train)} images, fewer than one batch of "
            f"{settings.optimization.batch_size}; use --batch-size {len(dataset.train)} or less."
        )
    seed_everything(settings.training.seed, 0)
    network = build_model(model.name, dataset.spec, arguments)
    weights = None if resumes else _start(network, settings, arguments, listener)
    if settings.network.freeze:
        listener.note(f"frozen: the layer {freeze_all_but_head(network)} alone learns")
    else:  # frozen batch norm can take a single value per channel
        check_batch_size(network, dataset.spec, settings.optimization.batch_size)
    network = network.to(compute.device)
    network.to(memory_format=compute.memory_format)
    if settings.network.conv != TORCH and not has_convolutions(network):
        listener.note(f"conv {settings.network.conv!r} changes nothing: {model.name} has no convolution")
    return Assembly(
        settings=_resolved(settings, dataset, compute, arguments),
        asked=asked,
        dataset=dataset,
        network=with_algorithm(network, settings.network.conv),
        torch_network=network,
        normalize=_preprocessing(settings.data, dataset).to(compute.device),
        compute=compute,
        weights=weights,
    )


def _start(
    network: nn.Module, settings: Settings, arguments: Mapping[str, object], listener: Listener
) -> str | None:
    """Gives the network the weights it starts from; returns the name of pretrained ones."""
    model, asked = settings.network.model, settings.network.pretrained
    if asked:
        return start_from_weights(network, asked, model=model, arguments=arguments, listener=listener)
    if settings.network.freeze:
        listener.note("--freeze without --pretrained: the head learns from features that are drawn at random")
    kept = initialize(network, settings.network.init)
    if kept:
        listener.note(
            f"init {settings.network.init!r} does not know {', '.join(kept)}: kept as the model drew"
        )
    return None


def _preprocessing(data: DataSettings, dataset: ImageDataset) -> nn.Module:
    normalize = Normalize(dataset.mean, dataset.std)
    if not data.permute_pixels:
        return normalize
    size = (dataset.spec.height, dataset.spec.width)
    return nn.Sequential(PermutePixels(size, seed=data.split_seed), normalize)


def build_stepper(assembly: Assembly) -> Stepper:
    """Returns what one batch does to the weights."""
    settings, compute = assembly.settings, assembly.compute
    weights = None
    if settings.optimization.class_weights == "balanced":
        weights = balanced_weights(assembly.dataset.class_counts()).to(compute.device)
    forward = torch.compile(assembly.network) if settings.compute.compile else assembly.network
    return Stepper(
        assembly.network,
        forward=forward,
        normalize=assembly.normalize,
        augment=augmentation(settings.data.augment),
        loss=Loss(weights, settings.optimization.label_smoothing),
        optimizer=build_optimizer(assembly.network.parameters(), settings.optimization, compute.device),
        compute=compute,
        settings=settings.optimization,
    )


def build_loop(
    assembly: Assembly,
    *,
    folder: Path,
    interrupt: Interrupt,
    extra_judges: tuple[Judge, ...],
    on_batch: Callable[[int, int], None],
    on_unsaved: Callable[[OSError], None],
    keeps_last: bool = True,
) -> Loop:
    """Returns the loop over the training and validation parts; the test part is not handed in."""
    settings = assembly.settings
    return Loop(
        stepper=build_stepper(assembly),
        train_batches=batches(assembly, "train"),
        val_batches=batches(assembly, "val"),
        settings=settings.training,
        judges=(*standard_judges(settings.training), *extra_judges),
        folder=folder,
        interrupt=interrupt,
        on_batch=on_batch,
        on_unsaved=on_unsaved,
        keeps_last=keeps_last,
    )


def batches(assembly: Assembly, part_name: str) -> Batches:
    """Returns the batches of a part: shuffled for training, in order for measuring."""
    settings, is_training = assembly.settings, part_name == "train"
    spec, size = assembly.dataset.spec, settings.optimization.batch_size
    return Batches(
        getattr(assembly.dataset, part_name),
        batch_size=size if is_training else max(size, EVALUATION_PIXELS // (spec.height * spec.width)),
        device=assembly.compute.device,
        shuffle=is_training and settings.data.shuffle,
        seed=settings.training.seed,
        workers=settings.data.workers,
        memory_format=assembly.compute.memory_format,
        merge_single=is_training,
    )


def _resolved(
    settings: Settings, dataset: ImageDataset, compute: Compute, arguments: Mapping[str, object]
) -> Settings:
    spec = dataset.spec
    return settings.replace(
        model_args={
            name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()
        },
        image_size=(spec.height, spec.width),
        device=str(compute.device),
        memory_format=compute.layout,
        threads=torch.get_num_threads(),
    )
