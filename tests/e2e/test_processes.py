"""The command in a process of its own: signals, kills, several at once, `mlflow run`, disks that refuse."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from cnnexp.models import MODELS
from cnnexp.training.checkpoint import BEST, LAST, read_progress
from tests.warm import SECONDS, finish, start

ROOT = Path(__file__).parents[2]
PYTHON_BIN = Path(sys.executable).parent
FAST = [
    "--fraction",
    "0.5",
    "--figures",
    "none",
    "--log-model",
    "false",
    "--model",
    "convnet",
    "--threads",
    "1",
]
LONG = ["train", *FAST, "--epochs", "200"]


def only_run(store: str) -> Run:
    client = MlflowClient(store)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert len(runs) == 1
    return client.get_run(runs[0].info.run_id)


def folder(run: Run) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"))


def wait_for(condition: Callable[[], bool], seconds: float = 120, output: Path | None = None) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, output.read_text() if output else "it did not happen in time"
        time.sleep(0.05)


def epochs_done() -> int:
    """Finished epochs of the only run below this folder, by its checkpoint."""
    found = list(Path.cwd().glob(f"mlruns/*/*/artifacts/{LAST}"))
    return read_progress(found[0]).epoch if found else 0


PAUSING = """
import time
from pathlib import Path

import cnnexp
from cnnexp.models.convnet import convnet
from torch import nn


class Pausing(nn.Sequential):
    steps = 0

    def forward(self, images):
        self.steps += self.training
        if self.steps == 50 and Path("pause").exists():
            Path("paused").touch()
            while Path("pause").exists():
                time.sleep(0.01)
        return super().forward(images)


@cnnexp.register_model("pausing")
def pausing(spec: cnnexp.ImageSpec):
    return Pausing(convnet(spec))
"""
PAUSING_RUN = ["train", *FAST, "--model", "pausing", "--plugin", "pausing.py", "--epochs", "8"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The best and last checkpoint of a run that nothing disturbed."""
    here = tmp_path_factory.mktemp("uninterrupted")
    (here / "pausing.py").write_text(PAUSING)
    process = start([*PAUSING_RUN, "--tracking-uri", f"sqlite:///{here}/mlflow.db"], here, cold=True)
    output = finish(process)
    assert process.returncode == 0, output
    return folder(only_run(f"sqlite:///{here}/mlflow.db"))


@pytest.mark.xdist_group("uninterrupted")  # trained once
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_killed_within_an_epoch_resumes_to_the_very_weights_of_the_uninterrupted_one(
    ready_store: str, uninterrupted: Path, number: signal.Signals
) -> None:
    Path("pausing.py").write_text(PAUSING)
    Path("pause").touch()
    process = start(PAUSING_RUN)
    wait_for(Path("paused").exists)  # in the third epoch: 18 steps each
    assert epochs_done() == 2
    process.send_signal(number)
    if number == signal.SIGKILL:
        process.wait()
    Path("pause").unlink()
    output = finish(process)
    if number != signal.SIGKILL:
        assert process.returncode == 130, output
        run = only_run(ready_store)
        assert run.info.status == "KILLED"
        assert ("SIGTERM" if number == signal.SIGTERM else "Ctrl-C") in run.data.tags["cnnexp.reason"]
        assert "in epoch 3; 2 epochs are complete" in run.data.tags["cnnexp.reason"]
        assert "--resume" in output
    resumed = start(["train", "--resume", "last"])
    output = finish(resumed)
    assert resumed.returncode == 0, output
    run = only_run(ready_store)
    assert run.info.status == "FINISHED"
    for name in (BEST, LAST):
        assert _tensors(folder(run) / name) == _tensors(uninterrupted / name)


def test_a_run_that_died_without_a_word_is_closed_at_the_next_start(ready_store: str) -> None:
    process = start(LONG)
    wait_for(lambda: epochs_done() >= 1)
    process.kill()
    finish(process)
    assert only_run(ready_store).info.status == "RUNNING"
    assert finish(start(["runs"], cold=True)).count("interrupted") == 1
    assert only_run(ready_store).info.status == "KILLED"


def test_two_processes_may_be_the_first_in_a_folder() -> None:
    processes = [start(["train", *FAST, "--epochs", "1"]) for _ in range(2)]
    outputs = [finish(process) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    experiment = client.get_experiment_by_name("cnnexp")
    assert experiment is not None
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FINISHED"] * 2


def test_bad_input_ends_with_one_sentence_and_exit_code_2(ready_store: str) -> None:
    process = start(["train", "--model", "lennet", "--batch_size", "8"], cold=True)
    output = finish(process)
    assert process.returncode == 2
    assert output == (
        f"Error: unknown model 'lennet'; did you mean 'lenet'? Known: {', '.join(MODELS.names())}. "
        "A model of your own: --plugin FILE.\n"
    )
    assert not MlflowClient(ready_store).search_runs(["0", "1"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_is_said_at_once(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    command = ["train", "--tracking-uri", f"sqlite:///{small_disk}/mlflow.db"]
    process = start(command)
    output = finish(process)
    assert process.returncode == 2
    assert output.startswith("Error: the folder ")
    assert "cannot be written: make it writable, or choose another store with --tracking-uri" in output


def train_on_a_full_disk(disk: Path, uri: str) -> str:
    """Trains where only 300 kB are left for the run's files; there is room again when it ends."""
    MlflowClient(uri).create_experiment("full", artifact_location=f"file://{disk}/files")
    (disk / "filler").write_bytes(b"\0" * (3 * 2**20 - _used(disk) - 300_000))
    process = start(["train", "--epochs", "2", "--experiment", "full", "--tracking-uri", uri])
    output = finish(process)
    (disk / "filler").unlink()
    assert process.returncode == 0, output
    assert "test accuracy" in output
    assert "Note: checkpoints cannot be written" in output
    assert "No space left on device" in output
    return output


def test_a_disk_full_of_files_stops_neither_training_nor_tracking(ready_store: str, small_disk: Path) -> None:
    output = train_on_a_full_disk(small_disk, ready_store)
    assert "Traceback" not in output
    run = only_run(ready_store)
    assert run.info.status == "FINISHED"
    assert run.data.tags["cnnexp.reason"] == "all 2 epochs are complete"
    assert run.data.metrics["test/accuracy"] > 0
    assert not list(folder(run).rglob("*.partial"))


def test_a_disk_too_full_for_the_store_is_said_and_the_run_is_closed_at_the_next_start(
    ready_store: str, small_disk: Path
) -> None:
    shutil.copy(Path(ready_store.removeprefix("sqlite:///")), small_disk)
    uri = f"sqlite:///{small_disk}/mlflow.db"
    assert "database or disk is full" in train_on_a_full_disk(small_disk, uri)
    finish(start(["runs", "--experiment", "full", "--tracking-uri", uri]))
    assert only_run(uri).info.status in {"FINISHED", "KILLED"}  # never RUNNING for ever


def project_run(log: Path, *parameters: str) -> subprocess.Popen[bytes]:
    """`mlflow run . -e train`, as the head of a process group of its own; it writes into a file."""
    command = [str(PYTHON_BIN / "mlflow"), "run", str(ROOT), "-e", "train"]
    command += [word for parameter in parameters for word in ("-P", parameter)]
    path = os.pathsep.join([str(PYTHON_BIN), os.environ["PATH"]])
    with log.open("w") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path},
            start_new_session=True,
        )


def test_mlflow_run_as_typed_leaves_exactly_one_finished_run(ready_store: str) -> None:
    parameters = ["model=lenet", "epochs=1", "lr=1e-3", "fraction=0.3", "figures=none", "log_model=False"]
    parameters += ["run_name=two words", "data_dir=", "shuffle=true"]
    process = project_run(Path("project.log"), *parameters)
    assert process.wait(SECONDS) == 0, Path("project.log").read_text()
    run = only_run(ready_store)
    assert run.info.status == "FINISHED"
    assert run.data.params["lr"] == "1e-3"
    client = MlflowClient(ready_store)
    assert client.get_experiment(run.info.experiment_id).name == "cnnexp"
    settings = (folder(run) / "settings.yaml").read_text()
    for line in ("lr: 0.001", "log_model: false", "run_name: two words", "data_dir: null", "shuffle: true"):
        assert line in settings.splitlines()
    assert run.info.run_name == "two words"


@pytest.mark.parametrize("whole_group", [True, False])
def test_a_project_run_that_is_terminated_is_closed(ready_store: str, whole_group: bool) -> None:
    log = Path("project.log")
    process = project_run(log, "epochs=500", "model=convnet", "fraction=0.5", "threads=1")
    wait_for(lambda: epochs_done() >= 1, output=log)
    if whole_group:
        os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()  # mlflow alone: the training is orphaned, and notices
    try:
        process.wait(timeout=60)
        wait_for(lambda: only_run(ready_store).info.status != "RUNNING", 30)
    finally:
        with contextlib.suppress(ProcessLookupError):  # all have ended, as they should
            os.killpg(process.pid, signal.SIGKILL)
    assert only_run(ready_store).info.status == "KILLED"


def _tensors(path: Path) -> dict[str, bytes]:
    from safetensors.torch import load_file

    return {key: value.numpy().tobytes() for key, value in load_file(path).items()}


def _used(disk: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in disk.rglob("*"))
