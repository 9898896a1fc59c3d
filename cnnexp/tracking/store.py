"""A tracking store: its experiments, its runs, and the addresses of its pages."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.errors import TrackingError
from cnnexp.tracking import fetching, ownership, search
from cnnexp.tracking.environment import source_tags
from cnnexp.tracking.model_uri import Meant
from cnnexp.tracking.opening import Opened, brief, open_client, tracking_errors
from cnnexp.tracking.run import DESCRIPTION, DIED, REASON, STATUS, Run
from cnnexp.tracking.run_folder import folder_of
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.views import BEST, TAG_PREFIX, runs_path, standard_views, study_view

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

PARENT = "mlflow.parentRunId"  # tag: makes a run the child of another
_ABOUT = "Runs of cnnexp: image classification. Open **Views** above for *best first* and *curves*."


def open_store(tracking_uri: str | None = None, *, make: bool = True) -> Store:
    """Opens a tracking store; the local one is made when missing.

    Args:
        tracking_uri: else MLFLOW_TRACKING_URI, else sqlite:///mlflow.db in the working folder, the very store
            that a bare `mlflow ui` there opens.
        make: False for who only looks: a missing local store is then an error.

    Raises:
        NoStoreError: a local store is missing and not to be made.
        TrackingError: it cannot be opened. A server that is away or silent is said within 10 s.
    """
    return Store(open_client(tracking_uri, make=make))


def log_problem(sentence: str) -> None:
    """What a run does with its problems where nobody else listens: a warning of the logger `cnnexp`."""
    logging.getLogger("cnnexp").warning(sentence)


class Store:
    """An open tracking store."""

    def __init__(self, opened: Opened) -> None:
        self.uri = opened.uri
        self.client = opened.client
        self._opened = opened

    def experiment_id(self, name: str, *, make: bool = True) -> str:
        """Returns the id of an experiment, with its description and saved views; made when missing.

        Raises:
            TrackingError: it is deleted, cannot be made, or is missing and not to be made.
        """
        with self._opened.lock(), tracking_errors(f"experiment {name!r} cannot be opened"):
            tags = {DESCRIPTION: _ABOUT, **standard_views()}
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None and not make:
                raise search.unknown_experiment(self.client, name)
            if experiment is None:
                return self._create_experiment(name, tags)
            identity = str(experiment.experiment_id)
            if experiment.lifecycle_stage != "active":
                raise TrackingError(
                    f"experiment {name!r} is deleted: `MLFLOW_TRACKING_URI={self.uri} mlflow experiments "
                    f"restore --experiment-id {identity}` brings it back, or choose another name with "
                    "--experiment."
                )
            for key, value in tags.items():
                is_ours = key != DESCRIPTION  # a description may be the user's own by now
                if key not in experiment.tags or (is_ours and experiment.tags[key] != value):
                    self.client.set_experiment_tag(identity, key, value)
            return identity

    def close_dead_runs(self) -> list[str]:
        """Closes runs of this machine whose process is gone as KILLED; returns their ids.

        First what they had left to send is sent: a run whose own end is among that ends as it says itself.
        Runs of other machines, of living processes, and runs that are not ours stay as they are.
        """
        mine = f"attributes.status = 'RUNNING' and tags.{ownership.HOST_KEY} = '{ownership.host_key()}'"
        with tracking_errors("dead runs cannot be looked for"):
            experiments = [one.experiment_id for one in self.client.search_experiments()]
            running = self.client.search_runs(experiments, mine) if experiments else []
            dead = [run for run in running if not ownership.is_alive(run.data.tags)]
            killed = [run.info.run_id for run in dead if not self._left_run(run).deliver_left()]
            for run_id in killed:
                self._kill(run_id, DIED)
        return killed

    def has_run(self, run_id: str) -> bool:
        """Tells whether a run is here and not deleted."""
        from mlflow.exceptions import MlflowException

        with tracking_errors(f"run {run_id!r} cannot be looked for"):
            try:
                active: bool = self.client.get_run(run_id).info.lifecycle_stage == "active"
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return False
        return active

    def is_at_work(self, run_id: str) -> bool:
        """Tells whether a process, here or on another machine, may still be at a run."""
        with tracking_errors(f"run {run_id!r} cannot be read"):
            run = self.client.get_run(run_id)
        if run.info.status != "RUNNING" or ownership.is_own(run.data.tags):
            return False
        return not ownership.is_here(run.data.tags) or ownership.is_alive(run.data.tags)

    def has_living_runs(self, study: str) -> bool:
        """Tells whether a run of a study may still be written by a process, here or elsewhere."""
        return any(self.is_at_work(run_id) for run_id in self._runs_of_study(study))

    def delete_study_runs(self, study: str) -> int:
        """Deletes a study's run, those of its trials, and its saved view; returns how many runs."""
        run_ids = self._runs_of_study(study)
        with tracking_errors(f"the runs of study {study!r} cannot be deleted"):
            for run_id in run_ids:
                self.client.delete_run(run_id)
            view = TAG_PREFIX + study_view(study)
            for one in self.client.search_experiments():
                if view in one.tags:
                    self.client.delete_experiment_tag(one.experiment_id, view)
        return len(run_ids)

    def experiment_of_study(self, study: str) -> str:
        """Returns the id of the experiment that a study's run is in.

        Raises:
            TrackingError: there is none.
        """
        with tracking_errors("studies cannot be searched"):
            return search.experiment_of_study(self.client, study)

    def _runs_of_study(self, study: str) -> list[str]:
        with tracking_errors(f"the runs of study {study!r} cannot be searched"):
            return search.runs_of_study(self.client, study)

    def set_experiment_tag(self, experiment_id: str, name: str, value: str) -> None:
        """Sets a tag of an experiment, such as a saved view."""
        with tracking_errors(f"experiment {experiment_id} cannot be changed"):
            self.client.set_experiment_tag(experiment_id, name, value)

    def end_run(
        self, run_id: str, reason: str, *, params: Mapping[str, object], tags: Mapping[str, str]
    ) -> None:
        """Marks a run KILLED whose process is known to be gone, and says what that may have kept to itself.

        Args:
            run_id: of the run.
            reason: why it ended.
            params: that it was to have; those it has stay as they are.
            tags: that it gets.
        """
        from mlflow.entities import Param, RunTag

        with tracking_errors(f"run {run_id} cannot be closed"):
            known = self.client.get_run(run_id).data.params
            missing = [Param(name, str(value)) for name, value in params.items() if name not in known]
            self.client.log_batch(run_id, params=missing, tags=[RunTag(*one) for one in tags.items()])
            self._kill(run_id, reason)

    def unshared_folder(self, run_id: str) -> Path:
        """Returns the folder of a run's files on this machine that no server gets."""
        with tracking_errors(f"run {run_id!r} cannot be read"):
            return folder_of(self.client.get_run(run_id)).unshared

    def create_run(
        self,
        experiment_id: str,
        *,
        run_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        on_problem: Callable[[str], None] = log_problem,
        hold: float = 0.0,
    ) -> Run:
        """Starts a run; the tag `PARENT` makes it a child.

        Args:
            experiment_id: of MLflow.
            run_name: MLflow makes one up where it is missing.
            tags: beside those that every run of ours has.
            on_problem: told one sentence when something fails first.
            hold: seconds for which params, metrics and tags are gathered before they are sent.

        Raises:
            TrackingError: the store does not take it, or its folder cannot be made.
        """
        with tracking_errors("the run cannot be created"):
            source = source_tags(with_commit=PARENT not in (tags or {}))  # a child has its parent's
            own = {**source, **ownership.own_tags(), STATUS: "running"}
            run = self.client.create_run(experiment_id, run_name=run_name, tags={**own, **(tags or {})})
            return self._opened_run(run, on_problem, hold=hold)

    def adopt_run(
        self,
        run_id: str,
        *,
        run_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        on_problem: Callable[[str], None] = log_problem,
    ) -> Run:
        """Goes on with the run that `mlflow run` has made for this process (MLFLOW_RUN_ID); keeps its params.

        Raises:
            TrackingError: no such run, or it is deleted.
        """
        with tracking_errors(f"run {run_id!r} cannot be taken over"):
            run = self._existing(run_id)
            if run_name is not None:
                self.client.update_run(run_id, name=run_name)
                run = self.client.get_run(run_id)
            adopted = self._opened_run(run, on_problem)
            adopted.take_up({**ownership.own_tags(), STATUS: "running", **(tags or {})})
            return adopted

    def reopen_run(self, run_id: str, *, on_problem: Callable[[str], None] = log_problem) -> Run:
        """Goes on with a run that has ended: its status is RUNNING again.

        Raises:
            TrackingError: no such run, it is deleted, or another process may still be at it.
        """
        with tracking_errors(f"run {run_id!r} cannot be resumed"):
            run = self._existing(run_id)
            if run.info.status == "RUNNING":
                self._refuse_living(run)
            place = folder_of(run)
            if fetching.has_ended(run) and not fetching.is_current(run, place):
                shutil.rmtree(place.path, ignore_errors=True)  # of an earlier stage: the server has all of it
            reopened = self._opened_run(run, on_problem)
            reopened.take_up({**ownership.own_tags(), STATUS: "running", REASON: "resumed"})
            return reopened

    def fetch(self, run_id: str, path: str) -> Path:
        """Returns a file of a run, downloaded where it is not on this machine; the run stays as it is.

        Raises:
            TrackingError: no such run, or it has no such file.
        """
        with tracking_errors(f"run {run_id!r} cannot be read"):
            run = self._existing(run_id)
        return fetching.fetch(self.client, run, path)

    def find_run(self, text: str) -> str:
        """Returns the id of the one run meant by an id or its start, a name, `last`, `best`, a model's URI.

        Raises:
            TrackingError: none or several; the message lists the candidates.
        """
        return self.find_model(text).run_id

    def find_model(self, text: str) -> Meant:
        """Returns the one run meant, as `find_run` does, and the very model where a URI names one.

        Raises:
            TrackingError: none or several; the message lists the candidates.
        """
        with tracking_errors("runs cannot be searched"):
            return search.find_run(self.client, text)

    def find_trial(self, study: str, number: int) -> str:
        """Returns the id of the run of a study's trial; of several attempts the last.

        Raises:
            TrackingError: there is none.
        """
        with tracking_errors("trials cannot be searched"):
            return search.find_trial(self.client, study, number)

    def recent_runs(self, count: int, experiment: str | None = None) -> list[RunRow]:
        """Returns the latest runs, newest first.

        Raises:
            TrackingError: no experiment of that name.
        """
        with tracking_errors("runs cannot be searched"):
            return search.recent_runs(self.client, count, experiment)

    def ui_url_path(self, experiment_id: str, view: str = BEST) -> str:
        """Returns the path, within MLflow's page, of an experiment's runs in a saved view."""
        return runs_path(experiment_id, view)

    def _kill(self, run_id: str, reason: str) -> None:
        self.client.set_tag(run_id, STATUS, "interrupted")
        self.client.set_tag(run_id, REASON, reason)
        self.client.set_terminated(run_id, "KILLED")

    def _create_experiment(self, name: str, tags: dict[str, str]) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.create_experiment(name, tags=tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            made = self.client.get_experiment_by_name(name)  # by another process, just now
            if made is None:
                raise
            return str(made.experiment_id)

    def _existing(self, run_id: str) -> MlflowRun:
        run = self.client.get_run(run_id)
        if run.info.lifecycle_stage != "active":
            raise TrackingError(
                f"run {run_id} is deleted: `MLFLOW_TRACKING_URI={self.uri} mlflow runs restore --run-id "
                f"{run_id}` brings it back."
            )
        return run

    def _refuse_living(self, run: MlflowRun) -> None:
        tags, run_id = run.data.tags, run.info.run_id
        if ownership.PID not in tags or ownership.is_own(tags):
            return
        pid, host = tags[ownership.PID], tags.get(ownership.HOST, "?")
        if not ownership.is_here(tags):
            raise TrackingError(
                f"run {run_id} is marked as running on machine {host!r} (process {pid}); where that process "
                'is gone, `python -c "from mlflow import MlflowClient; '
                f"MlflowClient({self.uri!r}).set_terminated({run_id!r}, 'KILLED')\"` says so, and it can be "
                "resumed here."
            )
        if ownership.is_alive(tags):
            raise TrackingError(
                f"run {run_id} is still running as process {pid}; stop that first (kill -TERM {pid})."
            )

    def _left_run(self, run: MlflowRun) -> Run:
        return Run(self.client, run, folder=folder_of(run), on_problem=log_problem)

    def _opened_run(self, run: MlflowRun, on_problem: Callable[[str], None], *, hold: float = 0.0) -> Run:
        folder = folder_of(run)
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.client.set_terminated(run.info.run_id, "FAILED")  # no run is left RUNNING
            raise TrackingError(f"the run's folder {folder.path} cannot be made: {brief(error)}.") from error
        return Run(self.client, run, folder=folder, on_problem=on_problem, hold=hold)
