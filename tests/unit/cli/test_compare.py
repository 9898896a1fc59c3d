"""`cnnexp compare` on real runs: what it prints, writes, draws and logs, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cnnexp
from cnnexp.cli import cli
from cnnexp.errors import UserError
from cnnexp.results.groups import is_search
from cnnexp.tracking.rows import rows_where
from cnnexp.tracking.store import Store, open_store
from cnnexp.tracking.views import standard_views
from cnnexp.training.events import Outcome, Status

TINY: dict[str, Any] = {"epochs": 2, "fraction": 0.2, "figures": "none", "log_model": False, "threads": 1}


def compare(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["compare", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def made_run(store: Store, name: str, **tags: str) -> str:
    run = store.create_run(store.experiment_id("made"), run_name=name, tags=tags)
    run.log_metrics({"best/val_accuracy": 0.5})
    run.log_params({"lr": name})
    run.finish(Outcome(Status.COMPLETED, "made"))
    return run.id


@pytest.mark.usefixtures("ready_store")
def test_seeds_are_compared_written_drawn_and_logged(ready_store: str) -> None:
    store = open_store(ready_store)
    for model in ("mlp", "lenet"):
        cnnexp.train_seeds(2, model=model, run_name=model, experiment="e", **TINY)
    before = {row.run_id: (dict(row.tags), dict(row.metrics)) for row in rows_where(store, "")}
    view, experiment = next(iter(standard_views())), store.experiment_id("e")
    store.set_experiment_tag(experiment, view, "changed by hand")
    said = compare("mlp", "lenet", "-o", "t.md", "-o", "t.tex", "--figures", "drawn", "--log")
    for part in ("model.hidden", "over 2 and 2 seeds", "evaluated once by each of the 4 runs", "Welch"):
        assert part in said
    drawn = {one.stem for one in Path("drawn").iterdir()}
    assert drawn == {"accuracy", "curves", "confusion", "only-first-right", "only-second-right"}
    assert "## Settings that differ" in Path("t.md").read_text(encoding="utf-8")
    (logged,) = rows_where(store, "tags.kind = 'comparison'")
    assert (logged.status, logged.experiment, logged.params["compared"]) == ("FINISHED", "e", "4")
    assert set(logged.tags["compared"].split(",")) <= set(before)
    for name in ("table.csv", "table.tex", "comparison.json", "confusion.png"):
        assert store.fetch(logged.run_id, f"comparison/{name}").is_file()
    assert store.client.get_experiment(experiment).tags[view] == "changed by hand"
    after = {row.run_id: (dict(row.tags), dict(row.metrics)) for row in rows_where(store, "")}
    assert all(after[run_id] == found for run_id, found in before.items())
    with pytest.raises(UserError, match=r"t\.md exists; give --force"):
        compare("mlp", "lenet", "-o", "t.md")
    with pytest.raises(UserError, match="has pictures already"):
        compare("mlp", "lenet", "--figures", "drawn")
    compare("mlp", "lenet", "-o", "t.md", "--force")
    store.client.set_tag(cnnexp.train(run_name="copy", experiment="e", **TINY).run_id, "reproduces", "0" * 32)
    grouped = cnnexp.compare(experiment="e", group_by="model")
    assert any("`cnnexp reproduce` made: copy" in note for note in grouped.notes)
    assert [len(group.runs) for group in grouped.groups] == [2, 2]


@pytest.mark.usefixtures("ready_store")
def test_images_that_cannot_be_loaded_are_said_and_the_rest_is_drawn(shared_data: Path) -> None:
    photos = Path("photos")
    for folder in ("bus", "car"):
        (photos / folder).mkdir(parents=True)
        for image in sorted((shared_data / "vehicles" / folder).iterdir())[:20]:
            (photos / folder / image.name).write_bytes(image.read_bytes())
    for seed in (0, 1):
        settings = {**TINY, "fraction": 1.0, "epochs": 1, "image_size": 32, "batch_size": 8}
        cnnexp.train(dataset="folder:photos", seed=seed, run_name=f"run-{seed}", **settings)
    next((photos / "bus").iterdir()).unlink()
    from cnnexp.results.compare_figures import figures_of

    drawn, notes = figures_of(cnnexp.compare("run-0", "run-1"))
    assert set(drawn) == {"accuracy", "curves", "confusion"}
    assert len(notes) == 1
    assert notes[0].startswith("images cannot be shown: ")


def test_trials_are_compared_by_validation_accuracy(ready_store: str) -> None:
    store = open_store(ready_store)
    for number in range(3):
        tags = {"kind": "trial", "study": "st", "trial_number": str(number), "trial_state": "COMPLETE"}
        made_run(store, str(number), **tags)
    made_run(store, "st", kind="study", study="st")
    said = compare("--study", "st")
    assert "validation accuracy 50.0 %" in said
    assert "evaluated once" not in said
    assert cnnexp.compare(study="st").is_searched
    made_run(store, "sw", kind="sweep", study="sw")
    assert not is_search(store, "sw")
    with pytest.raises(UserError, match="is a trial of study 'st', which has no test predictions"):
        compare("0", "1")


def test_what_cannot_be_compared_is_refused_in_one_sentence(ready_store: str) -> None:
    store = open_store(ready_store)
    made_run(store, "one", kind="run")
    made_run(store, "twin", kind="run")
    made_run(store, "twin", kind="run")
    made_run(store, "grid", kind="sweep", study="grid")
    made_run(store, "empty", kind="seeds")
    for arguments, sentence in {
        (): "RUN is missing: give two or more, each a run id",
        ("one", "--study", "s"): "give either runs, or --study, or --experiment",
        ("nothing", "one"): "no run 'nothing' in this store",
        ("twin", "one"): "'twin' is more than one run; give the id of one:",
        ("one", "one"): "has no test predictions",
        ("grid", "one"): "is a sweep and has no test predictions of its own; `cnnexp compare --study grid`",
        ("empty", "one"): "has no seed that was trained to its end",
        ("--study", "gird"): "no study 'gird' in this store; did you mean 'grid'",
        ("--study", "grid"): "has no trial that was trained to its end",
        ("--experiment", "mad"): "did you mean 'made'",
        ("--experiment", "made"): "has no run that was tested",
        ("one", "-o", "t.txt"): "must end with .csv or .md or .tex",
    }.items():
        with pytest.raises(UserError) as refused:
            compare(*arguments)
        assert sentence in str(refused.value), arguments


@pytest.mark.usefixtures("ready_store")
def test_one_run_alone_and_one_named_twice_are_refused() -> None:
    cnnexp.train(run_name="alone", **TINY)
    with pytest.raises(UserError, match="a comparison needs two or more"):
        compare("alone")
    with pytest.raises(UserError, match="named twice"):
        compare("alone", "last")
    with pytest.raises(UserError, match=r"unknown setting of --group-by 'lrr'; did you mean 'lr'"):
        compare("alone", "--group-by", "lrr")
