"""Runs, and a sweep, as they are recorded, without training anything."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cnnexp.tracking.store import PARENT, Store
from cnnexp.training.events import Outcome, Status


def make_run(
    store: Store,
    name: str,
    *,
    accuracy: float | None = None,
    files: dict[str, str] | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
    **more_tags: str,
) -> str:
    experiment = store.experiment_id("lab")
    run = store.create_run(experiment, run_name=name, tags={"kind": "run", **(tags or {}), **more_tags})
    for path, text in (files or {}).items():
        run.log_text(text, path)
    if accuracy is not None:
        run.log_params({"model": "mlp", "dataset": "digits", "lr": accuracy, **(params or {})})
        run.log_metrics({"best/val_accuracy": accuracy, "test/accuracy": accuracy, "best/epoch": 1})
    run.finish(Outcome(Status.COMPLETED, "all epochs"))
    return run.id


def epochs_of(*accuracies: float) -> dict[str, str]:
    names = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,lr,seconds,images_per_second,is_best"
    rows = [f"{n},1,{one},1,{one},0.1,1,1,True" for n, one in enumerate(accuracies, start=1)]
    return {"epochs.csv": "\n".join([names, *rows]) + "\n"}


def make_sweep(store: Store) -> dict[int, str]:
    """Two values of lr with two seeds each, and a trial that failed; returns the runs by trial number."""
    plan = {"space": {"lr": "0.1,0.2"}, "objectives": ["val/accuracy"], "trials": 5, "sampler": "grid"}
    files = {"study/sweep.json": json.dumps(plan)}
    parent = make_run(store, "grid", files=files, kind="sweep", study="grid")
    of_trial = {PARENT: parent, "kind": "trial", "study": "grid"}
    runs, cells = {}, []
    for place, (lr, found) in enumerate(((0.2, (0.8, 0.9)), (0.1, (0.95, 0.1)))):
        for repeat, accuracy in enumerate(found):
            number = 2 * place + repeat
            params = {"lr": lr, "seed": 7 + repeat}
            files = {**epochs_of(0.5, accuracy), "settings.yaml": f"model: mlp\nlr: {lr}\n"}
            tags = {**of_trial, "trial_state": "COMPLETE", "trial_number": str(number)}
            runs[number] = make_run(store, "t", accuracy=accuracy, files=files, params=params, tags=tags)
        measured = {"accuracies": dict(enumerate(found)), "seconds": {0: 1.0, 1: 2.0}, "note": ""}
        ids = {0: runs[2 * place], 1: runs[2 * place + 1]}
        cells.append({"params": {"lr": lr}, "facts": {"parameters": 12.0}, "run_ids": ids, **measured})
    runs[4] = make_run(store, "t4", tags=of_trial, trial_state="FAIL", trial_number="4")
    path = store.fetch(parent, "study/sweep.json").with_name("cells.json")
    path.write_text(json.dumps(cells), encoding="utf-8")
    return runs
