"""One tracked run: everything is written to its folder first, then told to the store."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnexp.errors import TrackingError
from cnnexp.tracking.delivery import UNSENT, Delivery
from cnnexp.tracking.opening import brief
from cnnexp.tracking.operations import Measurement, Target
from cnnexp.tracking.ownership import FOLDER
from cnnexp.tracking.run_folder import RunFolder
from cnnexp.tracking.views import run_path
from cnnexp.training.events import Outcome, Status

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun
    from numpy.typing import NDArray
    from torch import nn

DESCRIPTION = "mlflow.note.content"
STATUS = "cnnexp.status"
REASON = "cnnexp.reason"
LOOK = "look"  # tag: how often the test part was looked at, where not once
DIED = "its process ended without a word"  # a reason
FINISHED = "cnnexp.finished"  # when it last ended as it should, in ms
MODEL_FOLDER = "unsent-model-"  # a saved model waits here until the store has it
_TAG_LIMIT = 5000  # characters of any tag's value that every MLflow store takes

_MLFLOW_STATUS = {
    Status.COMPLETED: "FINISHED",
    Status.STOPPED_EARLY: "FINISHED",
    Status.PRUNED: "FINISHED",
    Status.INTERRUPTED: "KILLED",
    Status.FAILED: "FAILED",
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of sending what was left of a run.

    Attributes:
        sent: operations by kind: batch, artifact, model, ...
        left: operations that still wait.
        had_ended: its end was among them.
        why: what is left, or why nothing was sent; empty where all arrived.
    """

    sent: Mapping[str, int]
    left: int
    had_ended: bool
    why: str


class Run:
    """A run of the store, open for writing; made by `Store.create_run`, `adopt_run`, `reopen_run`.

    No method raises because the store or the disk fails: that is told once, and the training goes on.

    Args:
        client: the store.
        run: as the store has it.
        folder: where its files are written.
        on_problem: told one sentence when something fails first.
        hold: seconds for which params, metrics and tags are gathered before they are sent.
    """

    def __init__(
        self,
        client: MlflowClient,
        run: MlflowRun,
        *,
        folder: RunFolder,
        on_problem: Callable[[str], None],
        hold: float = 0.0,
    ) -> None:
        self.id: str = run.info.run_id
        self.name: str = run.info.run_name or ""
        self.experiment_id: str = run.info.experiment_id
        self.folder: Path = folder.path
        self.unshared_folder: Path = folder.unshared
        self.written: list[str] = []  # files, by this process, in order
        self._client = client
        self._is_local = folder.is_local
        self._known_params = set(run.data.params)
        # The number of its next look at the test part.
        self.look: int = int(run.data.tags.get(LOOK, "1")) + 1 if "test/accuracy" in run.data.metrics else 1
        self._published: dict[str, int] = {}  # path: time of its last change, ns
        target = Target(run_id=self.id, experiment_id=self.experiment_id, folder=folder.path)
        self._delivery = Delivery(client, target, on_problem, hold=hold)

    def page(self, base_url: str) -> str:
        """Returns the run's address on a server of MLflow's page."""
        return base_url.rstrip("/") + run_path(self.experiment_id, self.id)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Logs what the run does not have yet: `mlflow run` has logged some, in its own spelling."""
        new = {name: str(value) for name, value in params.items() if name not in self._known_params}
        self._known_params.update(new)
        if new:
            self._delivery.send("batch", params=new)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Sets tags; a value is cut at 5,000 characters."""
        self._delivery.send("batch", tags={name: value[:_TAG_LIMIT] for name, value in tags.items()})

    def set_description(self, markdown: str) -> None:
        """Sets the text that the run's page shows under its name."""
        self.set_tags({DESCRIPTION: markdown})

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Logs an epoch's measurements in one call."""
        self._delivery.send("batch", metrics=_measurements(metrics, epoch))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs measurements; without a step they are single values, not curves."""
        self._delivery.send("batch", metrics=_measurements(metrics, step or 0))

    def log_dataset(self, name: str, digest: str, location: str, context: str) -> None:
        """Names the data set as an input of the run.

        Args:
            name: of the set.
            digest: of its content; MLflow keeps 36 characters.
            location: where it came from.
            context: `training` or `evaluation`, say.
        """
        self._delivery.send("dataset", name=name, digest=digest, location=location, context=context)

    def log_model_input(self, model_id: str) -> None:
        """Names a logged model, `m-...`, as an input of the run: it was evaluated, not made, here."""
        self._delivery.send("model input", model_id=model_id)

    def log_text(self, text: str, path: str, *, upload: bool = True) -> None:
        """Writes a text file of the run; without `upload` a server gets it when the run ends."""
        self._write(path, lambda part: part.write_text(text, encoding="utf-8"), upload=upload)

    def log_json(self, data: object, path: str) -> None:
        """Writes data as JSON."""
        self.log_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", path)

    def log_figure(self, figure: Figure, path: str) -> None:
        """Draws a figure as a PNG of 100 dots per inch."""
        self._write(path, lambda part: figure.savefig(part, dpi=100, format="png"))

    def publish(self, path: str) -> None:
        """Uploads a file that was written to the folder; nothing where MLflow keeps its files there."""
        if self._is_local:
            return
        try:
            changed = (self.folder / path).stat().st_mtime_ns
        except OSError:
            return  # it could not be written, which was told
        self._delivery.send("artifact", path=path)
        self._published[path] = changed

    def take_files(self, files: Mapping[str, Path]) -> None:
        """Copies files to the run's folder, those that are not there already.

        Args:
            files: by their paths in it.

        Raises:
            TrackingError: the disk does not take them.
        """
        for path, file in files.items():
            place = self.folder / path
            if place == file:
                continue
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
            except OSError as error:
                raise TrackingError(f"{path} of run {self.id} cannot be copied: {brief(error)}.") from error

    def log_model(
        self,
        module: nn.Module,
        *,
        name: str,
        example: NDArray[np.uint8],
        class_names: Sequence[str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        step: int,
        extra_metadata: Mapping[str, Any] | None = None,
    ) -> str | None:
        """Logs a network, preprocessing inside, as an MLflow model of this run.

        Args:
            module: uint8 images (N, C, H, W) in, class scores (N, K) out; in eval mode, on the CPU.
            name: `runs:/<run id>/<name>` loads it.
            example: uint8 (n, C, H, W), n at least 2.
            class_names: K names, by label.
            params: shown with the model.
            metrics: shown with the model, and in the run, also where the model cannot be logged.
            step: the epoch it is of.
            extra_metadata: kept with the class names, in types that YAML can hold.

        Returns:
            Its URI, `models:/m-…`; None where it could not be logged now.
        """
        from cnnexp.tracking.logged_model import save_model

        measured = _measurements(metrics, 0)  # at step 0 MLflow draws a bar with its value, not a lone dot
        folder = self.folder / f"{MODEL_FOLDER}{name}-{_now()}"
        try:
            save_model(
                module, folder, example=example, class_names=class_names, extra_metadata=extra_metadata
            )
        except Exception as error:  # a user's own network can fail to trace in any way; its training counts
            shutil.rmtree(folder, ignore_errors=True)
            self._delivery.tell("model", f"the model could not be saved in MLflow's format ({brief(error)}).")
            self._delivery.send("batch", metrics=measured)
            return None
        sent = self._delivery.send(
            "model",
            path=folder.name,
            name=name,
            params={key: str(value) for key, value in params.items()},
            metrics=measured,
            step=step,
        )
        if sent is None:  # not now, or never; those of one time are one for MLflow, should both arrive
            self._delivery.send("batch", metrics=measured)
            return None
        return f"models:/{sent['model_id']}"

    def finish(self, outcome: Outcome) -> None:
        """Closes the run; sends what could not be sent before, once.

        A remote store gets every file of the folder, which then is removed; what it does not take stays here.
        """
        with self._delivery.alone():  # `cnnexp sync` may look for runs whose end was kept
            self._publish_rest()
            now = _now()
            self.set_tags({STATUS: outcome.status.value, REASON: outcome.reason, FINISHED: str(now)})
            self._delivery.send("end", status=_MLFLOW_STATUS[outcome.status], time=now)
            self._deliver_last()

    def deliver_left(self) -> bool:
        """Sends what the run's process, which is gone, could not; returns whether it had ended as it should.

        The folder of a run that had not stays where it is: its last checkpoint may be nowhere else.
        """
        with self._delivery.alone():
            had_ended = self._delivery.has_end
            if had_ended:
                self._deliver_last()
            else:
                self._delivery.deliver_backlog()
        return had_ended

    def deliver_all(self, ask: Callable[[int | None], str]) -> Delivered:
        """Sends all that the run's process could not, its files included; then a remote run's folder goes.

        Args:
            ask: told when the run has ended, in ms, where its end is among what is left; answers why nothing
                may be sent now, or the empty string.
        """
        delivery = self._delivery
        with delivery.alone():
            end = delivery.end_time
            refusal = ask(end)
            if not refusal:
                if end is None:
                    self._publish_rest()
                self._deliver_last()
            problem = f"{delivery.left} operations were not taken ({delivery.problem})"
            why = refusal or ("" if delivery.is_complete else problem)
            return Delivered(dict(delivery.sent), delivery.left, end is not None, why)

    def take_up(self, tags: Mapping[str, str]) -> None:
        """Marks a run of the store as running here, and sends what its last process could not."""
        with self._delivery.alone():
            self._client.update_run(self.id, status="RUNNING")
            self._delivery.deliver_backlog(skip=("end",))
            # Files of a remote run may lie below the folder of its past, which is not always this one.
            place = {} if self._is_local else {FOLDER: str(self.folder.parents[1])}
            self.set_tags({**tags, **place})

    def _deliver_last(self) -> None:
        self._delivery.deliver_backlog()
        if not self._is_local and self._delivery.is_complete:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, path: str, write: Callable[[Path], object], *, upload: bool = True) -> None:
        file = self.folder / path
        if self._delivery.guard_disk(lambda: _write_atomically(file, write)):
            self.written.append(path)
            if upload:
                self.publish(path)

    def _publish_rest(self) -> None:
        if self._is_local:
            return
        for file in sorted(self.folder.rglob("*")):
            path = file.relative_to(self.folder)
            is_ours = path.name.startswith((UNSENT, ".")) or path.parts[0].startswith(MODEL_FOLDER)
            if (
                not is_ours
                and file.is_file()
                and self._published.get(path.as_posix()) != file.stat().st_mtime_ns
            ):
                self.publish(path.as_posix())


def rounded(value: float) -> float:
    """Returns 6 significant digits, so that tables say 0.873; nan for infinities, which break charts."""
    return float(f"{value:.6g}") if math.isfinite(value) else math.nan


def _measurements(metrics: Mapping[str, float], step: int) -> list[Measurement]:
    now = _now()
    return [(name, rounded(value), now, step) for name, value in metrics.items()]


def _now() -> int:
    return int(time.time() * 1000)


def _write_atomically(file: Path, write: Callable[[Path], object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    try:
        write(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
