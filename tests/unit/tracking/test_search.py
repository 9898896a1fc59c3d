from __future__ import annotations

import pytest

from cnnexp.errors import TrackingError
from cnnexp.tracking.rows import read_row
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import Store
from cnnexp.training.events import TOTAL_SECONDS, Outcome, Status


@pytest.fixture
def runs(store: Store, experiment: str) -> list[Run]:
    names = ("lenet", "twice", "twice", 'it\'s "two" marks', "o'clock")
    return [store.create_run(experiment, run_name=name) for name in names]


def test_run_is_found_by_id_start_of_id_and_name(store: Store, runs: list[Run]) -> None:
    lenet = runs[0]
    for text in (lenet.id, lenet.id.upper(), lenet.id[:10], "lenet"):
        assert store.find_run(text) == lenet.id
    assert store.find_run("o'clock") == runs[4].id


def test_last_is_the_newest_run_of_ours(store: Store, experiment: str, runs: list[Run]) -> None:
    newest = store.client.create_run(experiment, start_time=2**42).info.run_id  # not ours: no tags
    ours = store.create_run(store.experiment_id("another"))
    assert store.find_run("last") == ours.id
    assert newest not in {run.id for run in runs}


def test_ambiguous_name_lists_the_candidates(store: Store, runs: list[Run]) -> None:
    with pytest.raises(TrackingError, match="more than one run") as caught:
        store.find_run("twice")
    assert runs[1].id in str(caught.value)
    assert runs[2].id in str(caught.value)
    assert runs[0].id not in str(caught.value)


def test_the_duration_of_a_run_is_that_of_its_epochs_not_the_time_since_it_was_begun(
    store: Store, experiment: str
) -> None:
    run = store.client.create_run(experiment, start_time=1000)  # goes on half a century later
    assert read_row(store, run.info.run_id).seconds is None
    for epoch, seconds in enumerate((2.0, 3.5), 1):
        store.client.log_metric(run.info.run_id, TOTAL_SECONDS, seconds, step=epoch)
    store.client.set_terminated(run.info.run_id)
    assert read_row(store, run.info.run_id).seconds == 3.5


def test_long_list_of_candidates_is_cut(store: Store, experiment: str) -> None:
    for _ in range(12):
        store.create_run(experiment, run_name="many")
    with pytest.raises(TrackingError) as caught:
        store.find_run("many")
    assert len(str(caught.value).splitlines()) == 12


@pytest.mark.parametrize("text", ["lene", "abc", 'it\'s "no" run', "", "0" * 32])
def test_what_matches_nothing_is_said(store: Store, runs: list[Run], text: str) -> None:
    assert len(runs) == 5
    with pytest.raises(TrackingError, match="no run "):
        store.find_run(text)


def test_empty_store_has_no_last_run(store: Store) -> None:
    with pytest.raises(TrackingError, match="there is no run in this store yet; `cnnexp train`"):
        store.find_run("last")
    assert store.recent_runs(5) == []


def test_recent_runs_come_newest_first_with_what_a_list_shows(store: Store, experiment: str) -> None:
    for number in range(3):
        run_id = store.client.create_run(
            experiment, run_name=f"run-{number}", start_time=1000 + number
        ).info.run_id
        assert run_id
    run = store.create_run(experiment, run_name="newest")
    run.log_params({"model": "lenet"})
    run.log_metrics({"test/accuracy": 0.875, TOTAL_SECONDS: 3.5})
    run.finish(Outcome(Status.STOPPED_EARLY, "no better epoch in 3"))
    rows = store.recent_runs(3, "cnnexp")
    assert [row.name for row in rows] == ["newest", "run-2", "run-1"]
    assert rows[0].params["model"] == "lenet"
    assert rows[0].metrics["test/accuracy"] == 0.875
    assert (rows[0].status, rows[0].outcome, rows[0].reason) == (
        "FINISHED",
        "stopped early",
        "no better epoch in 3",
    )
    assert rows[0].experiment == "cnnexp"
    assert (rows[0].seconds, rows[1].seconds) == (3.5, None)


def test_unknown_experiment_names_the_nearest(store: Store, experiment: str) -> None:
    assert experiment
    with pytest.raises(TrackingError, match="did you mean 'cnnexp'"):
        store.recent_runs(3, "cnexp")
