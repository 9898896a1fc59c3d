"""The network of a finished run, with its best weights, from what the run recorded, without its data."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from cnnexp.data.normalize import Normalize
from cnnexp.data.permute import PermutePixels
from cnnexp.data.reading import Frame
from cnnexp.errors import UserError
from cnnexp.experiment.resume import best_weights
from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, build_model, check_arguments
from cnnexp.plugins import load_plugin
from cnnexp.results.recorded import Recorded
from cnnexp.tracking.model_uri import OF_MODELS, epoch_of_model
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
        UserError: it has no weights, they cannot be read, its plug-in or model is gone, or it was asked
            for by a logged model that has other weights.
    """
    settings, data = recorded.settings, recorded.data
    weights, epoch = best_weights(recorded.store, recorded.run_id)
    _check_model(recorded, epoch)
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


def _check_model(recorded: Recorded, epoch: int) -> None:
    """Refuses a model of weights that the run has no more: it went on, and found better ones."""
    if recorded.model_id is None:
        return
    of_model = epoch_of_model(recorded.store.client, recorded.run_id, recorded.model_id)
    if of_model != epoch:
        uri = f"{OF_MODELS}{recorded.model_id}"
        whose = "another network" if of_model is None else f"epoch {of_model}"
        raise UserError(
            f"model {uri} is of {whose}, and run {recorded.label} keeps the weights of its best epoch alone, "
            f"{epoch}: `cnnexp serve {uri}` answers with the model itself; name the run, {recorded.run_id}, "
            "for the weights that it has now."
        )
