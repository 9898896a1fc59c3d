from __future__ import annotations

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from cnnexp.tuning.ledger import RECORD, Ledger, TrialRecord, by_value, infeasible, is_void, record_of

C, P, R, W, F = (
    TrialState.COMPLETE,
    TrialState.PRUNED,
    TrialState.RUNNING,
    TrialState.WAITING,
    TrialState.FAIL,
)


def ledger_of(*trials: tuple[TrialState, TrialRecord]) -> Ledger:
    study, ledger = optuna.create_study(), Ledger()
    for state, record in trials:
        value = 0.5 if state == C else None
        attributes = {RECORD: record.as_attribute()}
        steps = {1: 0.5} if state == P else {}
        study.add_trial(
            create_trial(state=state, value=value, user_attrs=attributes, intermediate_values=steps)
        )
    ledger.bind(study)
    return ledger


def states(text: str) -> Ledger:
    """C complete, P pruned, R running, W waiting, F failed for a reason of its own, V void."""
    kinds = {"C": C, "P": P, "R": R, "W": W, "F": F, "V": F}
    return ledger_of(*((kinds[word], TrialRecord(failed=word == "F", reason=word)) for word in text))


def test_only_trials_without_a_reason_of_their_own_are_void() -> None:
    assert [is_void(one) for one in states("CPRWFV").trials()] == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("trials", "finished", "used"), [("", 0, 0), ("CPRW", 2, 4), ("CFVC", 2, 2), ("VVV", 0, 0)]
)
def test_complete_and_pruned_trials_count_and_running_and_queued_ones_may(
    trials: str, finished: int, used: int
) -> None:
    ledger = states(trials)
    assert len(ledger.finished()) == finished
    assert ledger.num_used() == used


@pytest.mark.parametrize(
    ("trials", "wanted", "admitted"),
    [
        ("RRRRR", 3, "yyynn"),  # five workers asked at once
        ("CVRFRR", 3, "yyyyyn"),  # neither void nor failed ones take a place
        ("CCCW", 3, "yyyn"),
        ("VVVR", 1, "yyyy"),
    ],
)
def test_a_trial_is_admitted_while_fewer_than_wanted_before_it_may_count(
    trials: str, wanted: int, admitted: str
) -> None:
    ledger = states(trials)
    found = "".join("ny"[ledger.is_admitted(number, wanted)] for number in range(len(trials)))
    assert found == admitted


def test_never_are_more_admitted_than_wanted_whatever_else_there_is() -> None:
    for trials in ("RRRRRRRR", "CRFRVRRCR", "WWRRCCPP"):
        ledger = states(trials)
        counting = [n for n, word in enumerate(trials) if word in "CPRW" and ledger.is_admitted(n, 4)]
        assert len(counting) == 4


def dead(*, retry_of: int | None = None, reason: str = "") -> FrozenTrial:
    """A trial that was being trained when its worker died."""
    record = TrialRecord(place=1, pid=17, retry_of=retry_of, reason=reason)
    known = {"system_attrs": {"fixed_params": {"x": 1}}, "user_attrs": {RECORD: record.as_attribute()}}
    return create_trial(state=F, **known)  # type: ignore[arg-type]  # two of its options


def test_a_trial_whose_worker_died_takes_its_place_until_another_stands_in_for_it() -> None:
    ledger = states("RR")
    ledger.study.add_trial(dead())
    assert [one.number for one in ledger.unretried()] == [2]
    assert ledger.num_used() == 3
    ledger.study.add_trial(create_trial(state=R))
    assert not ledger.is_admitted(3, 3)
    again = {"x": 1}
    ledger.study.enqueue_trial(again, user_attrs={RECORD: TrialRecord(retry_of=2).as_attribute()})
    assert ledger.unretried() == []
    assert ledger.is_admitted(3, 3)


def test_who_said_why_it_ended_and_a_second_attempt_are_not_tried_again() -> None:
    ledger = states("C")
    ledger.study.add_trial(dead(reason="Ctrl-C"))
    ledger.study.add_trial(dead(retry_of=0))
    assert ledger.unretried() == []


def test_the_place_of_a_void_trial_goes_to_the_next() -> None:
    ledger = states("CVFVPRW")
    assert [ledger.place_of(one) for one in ledger.trials()] == [0, 1, 1, 2, 2, 3, 4]


def test_a_trial_that_was_given_a_place_keeps_it() -> None:
    ledger = ledger_of((C, TrialRecord()), (R, TrialRecord(place=17)))
    assert ledger.place_of(ledger.trials()[1]) == 17


@pytest.mark.parametrize(
    ("trials", "count"),
    [("", 0), ("FF", 2), ("CFF", 2), ("FCF", 1), ("FFC", 0), ("FVRFW", 2), ("FPF", 1), ("VV", 0)],
)
def test_failures_in_a_row_end_with_a_trial_that_worked_and_void_ones_are_none(
    trials: str, count: int
) -> None:
    assert states(trials).failures_in_a_row() == count


def test_a_candidate_that_was_never_trained_does_not_end_a_row_of_failures() -> None:
    ledger = states("CFF")
    ledger.study.add_trial(create_trial(state=P))
    assert infeasible(ledger.trials()[-1])
    assert ledger.failures_in_a_row() == 2


def test_the_last_failure_is_told() -> None:
    ledger = ledger_of(
        (F, TrialRecord(failed=True, reason="first")),
        (F, TrialRecord(failed=True, reason="second")),
        (F, TrialRecord(reason="Ctrl-C")),
    )
    assert ledger.last_failure() == "second"
    assert states("C").last_failure() == ""


def test_the_best_come_first_and_of_equal_ones_the_earlier() -> None:
    study = optuna.create_study()
    for state, value in ((C, 0.2), (C, 0.9), (P, 1.0), (C, 0.9), (C, 0.1)):
        study.add_trial(create_trial(state=state, value=value))
    trials = study.get_trials()
    assert [one.number for one in by_value(trials, maximize=True)] == [1, 3, 0, 4]
    assert [one.number for one in by_value(trials, maximize=False)] == [4, 0, 1, 3]


def test_a_record_is_read_as_it_was_written_and_unknown_fields_are_passed_over() -> None:
    record = TrialRecord(place=3, pid=17, run_id="ab", facts={"parameters": 12.0}, retry_of=0, reused=0)
    trial: FrozenTrial = create_trial(state=R, user_attrs={RECORD: record.as_attribute()})
    assert record_of(trial) == record
    assert record_of(create_trial(state=R)) == TrialRecord()
    newer = create_trial(state=R, user_attrs={RECORD: {**record.as_attribute(), "colour": "red"}})
    assert record_of(newer) == record
