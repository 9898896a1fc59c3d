"""A trained classifier in use: images of any kind in, classes and probabilities out.

On a CPU every worker thread decodes a batch and passes it through the network with one thread of its own:
while one decodes another computes, no core idles, and no threads of PyTorch wait for each other (decoders
beside a pass of two threads cost up to half the speed). On a GPU the workers take turns at the pass.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from cnnexp.data.dataset import BadImage
from cnnexp.data.photo import BadPhotoError
from cnnexp.data.reading import Frame, Pixels
from cnnexp.errors import DataError
from cnnexp.results.pixels import AnImage, pixels_of, single_images
from cnnexp.results.rebuild import Rebuilt, rebuild
from cnnexp.results.recorded import find_recorded
from cnnexp.settings.groups import ComputeSettings
from cnnexp.tracking.store import open_store
from cnnexp.training.compute import Compute, find_compute

BATCH_BYTES = 2 << 20  # of decoded images: a batch of every worker lies in memory at once
MOST_IN_A_BATCH = 64
SHARES = 8  # batches of every worker, at least: with one or two the others wait for who has the last


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a classifier says of N images.

    Attributes:
        class_names: by label, K.
        labels: int64 (N,), of the most probable class.
        probabilities: float32 (N, K), in [0, 1].
    """

    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> list[str]:
        """The name of the most probable class of each image."""
        return [self.class_names[label] for label in self.labels]

    def top(self, count: int) -> list[list[tuple[str, float]]]:
        """Returns for each image its `count` most probable classes (at most K), the most probable first."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        return [
            [(self.class_names[label], float(row[label])) for label in best]
            for best, row in zip(order, self.probabilities, strict=True)
        ]


class Classifier:
    """The network of a run with the weights of its best epoch, and its preprocessing.

    Args:
        rebuilt: from what the run recorded.
        compute: on what it computes.

    Attributes:
        module: uint8 images (N, C, H, W) -> probabilities (N, K).
        class_names: by label, K.
        frame: the shape that every image is brought to, and how.
    """

    def __init__(self, rebuilt: Rebuilt, compute: Compute) -> None:
        self.run_id, self.run_name = rebuilt.run_id, rebuilt.run_name
        self.class_names, self.frame, self.spec = rebuilt.class_names, rebuilt.frame, rebuilt.spec
        self.module = rebuilt.classifier().to(compute.device).to(memory_format=compute.memory_format)
        self._device = compute.device
        on_gpu = compute.device.type != "cpu"
        self._turn: AbstractContextManager[object] = Lock() if on_gpu else nullcontext()

    def __repr__(self) -> str:
        classes = ", ".join(self.class_names[:3]) + (", …" if len(self.class_names) > 3 else "")  # noqa: PLR2004
        return f"<Classifier of run {self.run_name}: {len(self.class_names)} classes ({classes})>"

    def predict(self, images: AnImage | Iterable[AnImage]) -> Predicted:
        """Tells the class of every image; each is brought to the run's size and colour as training does.

        Args:
            images: paths; PIL images; uint8 NumPy arrays (H, W), (H, W, C) or (N, H, W, C); uint8 tensors
                (C, H, W) or (N, C, H, W); or a list of these. C is 1 (grey), 2 (and alpha), 3 (RGB) or 4
                (RGBA).

        Raises:
            DataError: something that is no image, or one that cannot be read.
        """
        found: list[NDArray[np.float32]] = [np.empty((0, len(self.class_names)), np.float32)]
        for answer in self.stream(list(single_images(images))):
            if answer.bad:
                position, bad = answer.bad[0]
                raise DataError(f"image {position} ({bad.path}) cannot be read: {bad.reason}.")
            found.append(answer.probabilities)
        return self.named(np.concatenate(found))

    def named(self, probabilities: NDArray[np.float32]) -> Predicted:
        """Returns probabilities (N, K) with their labels and class names."""
        return Predicted(self.class_names, probabilities.argmax(axis=1).astype(np.int64), probabilities)

    def stream(self, images: Sequence[AnImage]) -> Iterator[Answer]:
        """Yields answers batch by batch, in order; batches are decoded and computed in several threads.

        Args:
            images: as `single_images` yields them.
        """
        workers, size = os.cpu_count() or 1, batch_size(self.frame, len(images))
        starts = range(0, len(images), size)
        with (
            _one_thread_of_torch(),
            ThreadPoolExecutor(workers, "predict", torch.set_num_threads, (1,)) as pool,
        ):
            yield from pool.map(lambda start: self._answer(start, images[start : start + size]), starts)

    def _answer(self, start: int, images: Sequence[AnImage]) -> Answer:
        pixels: list[Pixels] = []
        bad: list[tuple[int, BadImage]] = []
        for position, image in enumerate(images, start):
            try:
                pixels.append(pixels_of(image, self.frame))
            except BadPhotoError as error:
                name = os.fspath(image) if isinstance(image, str | os.PathLike) else type(image).__name__
                bad.append((position, BadImage(name, str(error))))
        none = np.empty((0, len(self.class_names)), np.float32)
        known = self._probabilities(np.stack(pixels)) if pixels else none
        return Answer(start, len(images), known, tuple(bad))

    def _probabilities(self, pixels: Pixels) -> NDArray[np.float32]:
        """uint8 (N, H, W, C) -> float32 (N, K)."""
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        with self._turn, torch.inference_mode():
            found: NDArray[np.float32] = self.module(batch.to(self._device)).cpu().numpy()
        return found


def batch_size(frame: Frame, count: int) -> int:
    """Returns how many of some images a worker takes at a time; the last ones are shared by all workers."""
    share = -(-count // (SHARES * (os.cpu_count() or 1)))
    return max(1, min(MOST_IN_A_BATCH, BATCH_BYTES // frame.num_bytes, share))


@dataclass(frozen=True, slots=True)
class Answer:
    """Of `size` images from position `start` on.

    Attributes:
        start, size: which.
        probabilities: float32 (n, K), of those that could be read, in order.
        bad: position and reason of the others.
    """

    start: int
    size: int
    probabilities: NDArray[np.float32]
    bad: tuple[tuple[int, BadImage], ...] = ()


def load(run: str, tracking_uri: str | None = None, *, device: str = "auto") -> Classifier:
    """Loads the classifier that a run has trained; its data set is not needed.

    Args:
        run: a run id, the unique start of one, a name, `last`, `best`, or a model's URI
            (`models:/NAME@champion`).
        tracking_uri: MLflow store; else MLFLOW_TRACKING_URI, else sqlite:///mlflow.db in this folder.
        device: auto (the first GPU, else the CPU), cpu, cuda, cuda:1 or mps.

    Raises:
        TrackingError: no such run, or several.
        UserError: it has no weights, or there is no such device.
    """
    rebuilt = rebuild(find_recorded(open_store(tracking_uri, make=False), run))
    return Classifier(rebuilt, find_compute(ComputeSettings(device=device)))


@contextmanager
def _one_thread_of_torch() -> Iterator[None]:
    """Sets PyTorch's number of threads, which is the whole process's, to one, and puts it back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
