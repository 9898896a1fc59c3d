"""One training step, and the pass over a part that measures.

Nothing here waits for the device: sums stay there until the part is over (`.item()` once an epoch, not
once a step).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnexp.settings.groups import OptimizationSettings
from cnnexp.training.compute import Compute

Augmentation = Callable[[Tensor, torch.Generator], Tensor]
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Loss:
    """Cross-entropy, as the run was asked to weight and smooth it.

    Attributes:
        class_weights: float32 (num_classes,) or None.
        label_smoothing: share of a label spread over all classes.
    """

    class_weights: Tensor | None
    label_smoothing: float

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the batch of (N, K) logits and (N,) labels; always in float32."""
        return F.cross_entropy(
            logits.float(), labels, weight=self.class_weights, label_smoothing=self.label_smoothing
        )


PLAIN_LOSS = Loss(class_weights=None, label_smoothing=0.0)  # what parts are measured by: runs stay comparable


def balanced_weights(class_counts: Tensor) -> Tensor:
    """Returns weights N / (K · n_k) per class, float32 (K,): each class then counts the same in the loss."""
    counts = class_counts.clamp(min=1).float()
    return counts.sum() / (len(counts) * counts)


@dataclass(frozen=True, slots=True)
class Mean:
    """Loss and accuracy over images, not over batches: a short last batch counts by its images."""

    loss: float
    accuracy: float


class Sums:
    """Adds up loss and hits on the device.

    The loss is a mean over images of the batches' own losses: under class weights, of what the steps went
    down by (each a mean weighted within its batch), not one weighted mean over the epoch. Validation and
    test are measured without weights, so there it is the plain mean.
    """

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), device=device)
        self._hits = torch.zeros((), device=device, dtype=torch.int64)
        self._images = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch: its mean loss, logits (N, K) and labels (N,)."""
        size = len(labels)
        self._loss += loss.detach() * size
        self._hits += (logits.detach().argmax(dim=1) == labels).sum()
        self._images += size

    def mean(self) -> Mean:
        """Waits for the device and returns the means."""
        return Mean(self._loss.item() / self._images, self._hits.item() / self._images)


class Stepper:
    """Forward, backward, clip, step: what one batch does to the weights.

    Args:
        network: takes normalised float images; owns the weights.
        forward: the network itself, or a compiled form of it.
        normalize: uint8 images (N, C, H, W) to normalised float ones.
        augment: changes training images, or None.
        loss: of logits and labels.
        optimizer: over the network's parameters.
        compute: device, arithmetic, layout.
        settings: lr and the clipping of gradients.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        forward: Callable[[Tensor], Tensor],
        normalize: nn.Module,
        augment: Augmentation | None,
        loss: Loss,
        optimizer: torch.optim.Optimizer,
        compute: Compute,
        settings: OptimizationSettings,
    ) -> None:
        self.network, self.forward = network, forward
        self.normalize, self.augment = normalize, augment
        self.loss, self.optimizer, self.compute = loss, optimizer, compute
        self.settings = settings
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.scales_loss)

    def train_step(self, images: Tensor, labels: Tensor, lr: float, generator: torch.Generator) -> Batch:
        """Moves the weights by one batch of uint8 images; returns its mean loss and its logits."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        if self.augment is not None:
            images = self.augment(images, generator)
        with self.compute.autocast():
            logits = self.forward(self.normalize(images))
        loss = self.loss(logits, labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        if self.settings.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss, logits

    def evaluate(self, batches: Iterable[Batch]) -> Mean:
        """Returns plain cross-entropy and accuracy over batches, in evaluation mode and without a graph."""
        self.network.eval()
        sums = Sums(self.compute.device)
        with torch.inference_mode():
            for images, labels in batches:
                with self.compute.autocast():
                    logits = self.forward(self.normalize(images))
                sums.add(PLAIN_LOSS(logits, labels), logits, labels)
        return sums.mean()

    def predict(self, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        """Returns logits float32 (N, K) and labels int64 (N,) over all batches, on the CPU."""
        self.network.eval()
        logits, labels = [], []
        with torch.inference_mode():
            for images, batch_labels in batches:
                with self.compute.autocast():
                    logits.append(self.forward(self.normalize(images)).float())
                labels.append(batch_labels)
        return torch.cat(logits).cpu(), torch.cat(labels).cpu()
