"""The network of a finished run, with its best weights, from what the run recorded, without its data."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from cnnexp.data.normalize import Normalize
from cnnexp.data.permute import PermutePixels
from cnnexp.data.reading import Frame
from cnnexp.experiment.resume import best_weights
from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, build_model, check_arguments
from cnnexp.plugins import load_plugin
from cnnexp.results.recorded import Recorded
from cnnexp.training.checkpoint import load_weights


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A trained network for use, on the CPU and in evaluation mode.

    Attributes:
        network: normalised float32 images (N, C, H, W) -> logits (N, K).
        normalize: uint8 images (N, C, H, W) -> what the network takes; pixels permuted where it learned so.
        spec: channels, height, width, number of classes.
        class_names: by label, K.
        frame: the shape that every image is brought to, and how.
        epoch: whose weights these are.
        run_id, run_name: whose.
    """

    network: nn.Module
    normalize: nn.Module
    spec: ImageSpec
    class_names: tuple[str, ...]
    frame: Frame
    epoch: int
    run_id: str
    run_name: str

    def classifier(self) -> nn.Module:
        """Returns uint8 images (N, C, H, W) -> probabilities float32 (N, K)."""
        layers = OrderedDict(normalize=self.normalize, network=self.network, probabilities=nn.Softmax(dim=1))
        return nn.Sequential(layers).eval()


def rebuild(recorded: Recorded) -> Rebuilt:
    """Builds the network of a run as training built it, and loads the weights of its best epoch.

    Raises:
        TrackingError: it has neither settings nor data facts.
        UserError: it has no weights, they cannot be read, or its plug-in or model is gone.
    """
    settings, data = recorded.settings, recorded.data
    weights, epoch = best_weights(recorded.store, recorded.run_id)
    for plugin in settings.plugins.plugin:
        load_plugin(plugin)
    spec = ImageSpec(*data.image, len(data.class_names))
    model = MODELS.get(settings.network.model)
    network = build_model(model.name, spec, check_arguments(model, settings.network.model_args))
    load_weights(weights, network, epoch=epoch)
    normalize: nn.Module = Normalize(data.mean, data.std)
    if settings.data.permute_pixels:
        permute = PermutePixels((spec.height, spec.width), seed=settings.data.split_seed)
        normalize = nn.Sequential(permute, normalize)
    return Rebuilt(
        network=network.eval(),
        normalize=normalize,
        spec=spec,
        class_names=data.class_names,
        frame=Frame(spec.height, spec.width, spec.channels, settings.data.fit),
        epoch=epoch,
        run_id=recorded.run_id,
        run_name=recorded.label,
    )
