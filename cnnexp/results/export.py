"""A classifier as one file that needs nothing of ours: ONNX, or PyTorch's own exported graph (pt2).

The file takes uint8 images and gives probabilities; what precedes and follows the network is inside. It is
there only after it has answered as the original does.
"""

from __future__ import annotations

import contextlib
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnexp.data.reading import Pixels
from cnnexp.errors import ModelError, UserError
from cnnexp.results.failing_layer import Attempt, Written_co, failing_layer
from cnnexp.results.rebuild import Rebuilt

if TYPE_CHECKING:
    from torch.export import ExportedProgram

Form = Literal["onnx", "pt2"]
Answers = Callable[[Pixels], NDArray[np.float32]]  # uint8 (N, C, H, W) -> probabilities (N, K)

INPUT, OUTPUT = "images", "probabilities"
METADATA_FILE = "metadata.json"  # within a pt2 file
EXTRA = ("onnx", "onnxscript", "onnxruntime")
MOST_DIFFERENCE = 1e-4  # of a probability; other kernels add float32 numbers in another order: 1e-6 is usual
TRACED_IMAGES = 7  # an axis of one would be traced as a constant; unlike the axes of colours
LATENCY_PASSES = 100
REASON_LENGTH = 200  # characters of an exporter's message


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written and answered as its original.

    Attributes:
        file: it.
        num_bytes: its size.
        difference: the largest one of a probability between file and original.
        seconds: of one image, median of 100 passes, by whom: `torch`, and `onnxruntime` or `torch, exported`.
    """

    file: Path
    num_bytes: int
    difference: float
    seconds: Mapping[str, float]


def check_extra(form: Form) -> None:
    """Refuses ONNX where a package of the extra is missing.

    Raises:
        UserError: names it.
    """
    for package in EXTRA if form == "onnx" else ():
        try:
            __import__(package)
        except ImportError as error:
            raise UserError(
                f"--format onnx needs the package {package}: pip install 'cnnexp[export]'; "
                "--format pt2 needs none."
            ) from error


def export(rebuilt: Rebuilt, file: Path, *, form: Form, images: Pixels) -> Exported:
    """Writes a classifier to a file, and checks it against the original.

    Args:
        rebuilt: the network of a run.
        file: to write; it takes its place when all is well.
        form: `onnx` needs the extra `export`.
        images: to check with, uint8 (N, C, H, W), N at least 2.

    Raises:
        ModelError: a layer that the format cannot express, or answers that differ.
        UserError: the file cannot be written.
    """
    original = rebuilt.classifier().requires_grad_(requires_grad=False)
    draft = file.with_name(f"{file.stem}.part.{form}")
    write, opened, who = {
        "onnx": (_write_onnx, _open_onnx, "onnxruntime"),
        "pt2": (_write_pt2, _open_pt2, "torch, exported"),
    }[form]
    try:
        with _quiet():
            write(original, draft, metadata_of(rebuilt))
            answers = opened(draft)
        difference = _checked(answers, _of_module(original), images, form=form)
        seconds = _latencies({"torch": _of_module(original), who: answers}, images[:1])
        draft.replace(file)
    except OSError as error:
        raise UserError(
            f"{file} cannot be written: {error.strerror or error}; name another place."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return Exported(file, file.stat().st_size, difference, seconds)


def metadata_of(rebuilt: Rebuilt) -> dict[str, Any]:
    """Returns what the file says of itself."""
    spec = rebuilt.spec
    return {
        "class_names": list(rebuilt.class_names),
        "image": list(spec.shape),
        "fit": rebuilt.frame.fit,
        "input": f"{INPUT}: uint8 (N, {spec.channels}, {spec.height}, {spec.width}), 0 to 255",
        "output": f"{OUTPUT}: float32 (N, {len(rebuilt.class_names)})",
        "run_id": rebuilt.run_id,
        "run_name": rebuilt.run_name,
        "epoch": rebuilt.epoch,
    }


def _write_onnx(module: nn.Module, file: Path, metadata: Mapping[str, Any]) -> None:
    import onnx

    def attempt(layer: nn.Module, arguments: tuple[Any, ...]) -> torch.onnx.ONNXProgram | None:
        names: dict[str, Any] = {"input_names": [INPUT], "output_names": [OUTPUT]} if layer is module else {}
        return torch.onnx.export(_traced(layer, arguments), dynamo=True, verbose=False, **names)

    program = _whole(
        module, metadata, attempt, "ONNX cannot express", "give --format pt2, or replace the layer"
    )
    assert program is not None
    for name, value in metadata.items():
        program.model.metadata_props[name] = value if isinstance(value, str) else json.dumps(value)
    program.save(file, external_data=False)
    onnx.checker.check_model(file)


def _write_pt2(module: nn.Module, file: Path, metadata: Mapping[str, Any]) -> None:
    program = _whole(module, metadata, _traced, "PyTorch cannot trace", "replace what it does there")
    torch.export.save(program, file, extra_files={METADATA_FILE: json.dumps(metadata)})


def _open_onnx(file: Path) -> Answers:
    from onnxruntime import InferenceSession, SessionOptions  # type: ignore[import-untyped]

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # as many as the original computes with
    session = InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run([OUTPUT], {INPUT: images})[0])


def _open_pt2(file: Path) -> Answers:
    return _of_module(torch.export.load(file).module())


def _of_module(module: nn.Module) -> Answers:
    def answers(images: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = module(torch.from_numpy(images)).numpy()
        return found

    return answers


def _whole(
    module: nn.Module, metadata: Mapping[str, Any], attempt: Attempt[Written_co], what: str, way_out: str
) -> Written_co:
    """Attempts the whole classifier; where that fails, says which layer it is."""
    example = torch.zeros(TRACED_IMAGES, *metadata["image"], dtype=torch.uint8)
    try:
        return attempt(module, (example,))
    except Exception as error:  # exporters raise anything
        layer = failing_layer(module, example, attempt).removeprefix("network.")
        raise ModelError(f"{what} layer {layer} ({_reason(error)}); {way_out}.") from error


def _traced(module: nn.Module, arguments: tuple[Any, ...]) -> ExportedProgram:
    """Traces a module for any number of images."""
    any_number = {0: torch.export.Dim("batch", min=1)}
    is_batch = [isinstance(one, torch.Tensor) and one.shape[:1] == (TRACED_IMAGES,) for one in arguments]
    shapes = tuple(any_number if one else None for one in is_batch)
    with torch.no_grad():
        return torch.export.export(module, arguments, dynamic_shapes=shapes)


def _checked(answers: Answers, original: Answers, images: Pixels, *, form: Form) -> float:
    """Returns the largest difference of a probability; batches of one, two, and all the rest are asked.

    Raises:
        ModelError: it is too large, or an answer has another shape.
    """
    parts = np.split(images, [1, min(3, len(images))])
    found = np.concatenate([answers(part) for part in parts if len(part)])
    expected = original(images)
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
    if not difference <= MOST_DIFFERENCE:  # NaN too
        raise ModelError(
            f"the {form} file does not answer as its original: probabilities of {len(images)} images differ "
            f"by up to {difference:.2g}, more than {MOST_DIFFERENCE:g}; no file is written."
        )
    return difference


def _latencies(answers: Mapping[str, Answers], image: Pixels) -> dict[str, float]:
    """Returns the median seconds of one image by name; one after the other, so that a bad moment hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in answers}
    for _ in range(LATENCY_PASSES):
        for name, answer in answers.items():
            start = time.perf_counter()
            answer(image)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _reason(error: BaseException) -> str:
    """Returns the first line of what an exporter's innermost error says."""
    while error.__cause__ is not None:
        error = error.__cause__
    line = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(". ")
    return line if len(line) <= REASON_LENGTH else f"{line[:REASON_LENGTH]}…"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what the exporters say of their own affairs from the terminal; their errors are ours to say."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.fx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
