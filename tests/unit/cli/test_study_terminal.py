from __future__ import annotations

import pytest

from cnnexp.cli.study_terminal import StudyTerminal, say_study
from cnnexp.settings import TrackingSettings
from cnnexp.training.events import Outcome, Status
from cnnexp.tuning.listener import StudyFacts, TrialFacts
from cnnexp.tuning.result import StudyResult, TrialRow

SPACE = {"depth": "1..2", "widths.1": "8,16", "widths.2": "8,16", "lr": "0.001..0.1:log"}
PARAMS = {"depth": 2, "widths.1": 16, "widths.2": 8, "lr": 0.011775484196575278, "pool": False}


def facts(number: int = 3, state: str = "COMPLETE", *, best: int = 3, reason: str = "") -> TrialFacts:
    values = (0.9, 12345.0) if state == "COMPLETE" else ()
    return TrialFacts(number, state, values, PARAMS, reason, 1.25, number + 1, (0.9, best))


def said(capsys: pytest.CaptureFixture[str], *trials: TrialFacts) -> list[str]:
    objectives = ("val/accuracy", "parameters")
    study = StudyFacts("s", "convnet on digits", SPACE, 40, 0, objectives, "2 workers", "", "")
    with StudyTerminal(quiet=False) as shown:
        shown.study_started(study)
        for trial in trials:
            shown.trial_ended(trial)
    return capsys.readouterr().out.splitlines()


def result(
    store: str, status: Status = Status.COMPLETED, storage: str = "sqlite:////there/optuna.db"
) -> StudyResult:
    best = TrialRow(3, "COMPLETE", (0.9,), PARAMS, {}, 5, "", "abc")
    return StudyResult(
        outcome=Outcome(status, "Ctrl-C"),
        name="a b",
        objectives=("val/accuracy",),
        trials=(best,),
        best=best,
        front=(3,),
        command="cnnexp train",
        refit=None,
        improvement=None,
        run_id="abc",
        experiment_id="7",
        tracking_uri=store,
        tracking=TrackingSettings(tracking_uri=store),
        storage=storage,
    )


def test_a_candidate_is_written_as_its_list_and_counts_without_decimals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = said(capsys, facts())
    assert lines[:2] == [
        "study s: convnet on digits, 40 trials, 2 workers",
        "searched: depth 1..2, widths 8,16, lr 0.001..0.1:log",
    ]
    assert lines[2] == "trial  3  0.9000, 12,345       1.2 s  widths=16,8 lr=0.0118 pool=false  best"


def test_only_the_trial_that_is_the_best_so_far_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    *_, better, worse, pruned = said(capsys, facts(3), facts(4, best=3), facts(5, "PRUNED", best=3))
    assert better.endswith("best")
    assert not worse.endswith("best")
    assert pruned.startswith("trial  5  pruned ")


def test_why_a_trial_failed_or_was_never_trained_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    failed = facts(3, "FAIL", best=0, reason="loss became nan")
    refused = facts(
        4, "PRUNED", best=0, reason="never trained: 9 parameters, more than the 5 allowed; use --image-size 9"
    )
    early = facts(5, "PRUNED", best=0, reason="pruned after epoch 2: others were better by then")
    lines = said(capsys, failed, refused, early)[2:]
    assert lines[0].endswith("  loss became nan")
    assert lines[1].endswith("  never trained: 9 parameters, more than the 5 allowed")
    assert lines[2].endswith("pool=false")


def test_the_end_leads_to_the_studys_trials(capsys: pytest.CaptureFixture[str]) -> None:
    say_study(result("sqlite:////there/mlflow.db"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "look     cnnexp ui --study 'a b' --tracking-uri sqlite:////there/mlflow.db"
    say_study(result("http://oak:5000", Status.INTERRUPTED))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("go on    cnnexp tune --resume 'a b'")
    assert lines[-1] == (
        "http://oak:5000/#/experiments/7/runs?workflowType=machine_learning"
        "&viewStateShareKey=cnnexp-study-a_b"
    )


def test_to_go_on_the_storage_is_named_where_it_is_not_beside_the_store(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = "sqlite:////there/mlflow.db"
    say_study(result(store, Status.INTERRUPTED))
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == f"go on    cnnexp tune --resume 'a b' --tracking-uri {store}"
    )
    say_study(result(store, Status.INTERRUPTED, "postgresql://oak/optuna"))
    go_on = "".join(capsys.readouterr().out.splitlines()[-2:])
    assert "--resume 'a b' --storage postgresql://oak/optuna" in " ".join(go_on.split())
