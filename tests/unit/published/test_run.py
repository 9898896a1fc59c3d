from __future__ import annotations

import csv
import json
import math
import re
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cnnexp.cli import cli
from cnnexp.cli.experiment_terminal import say_experiment
from cnnexp.cli.tables import WIDTH
from cnnexp.errors import UserError
from cnnexp.experiment import record
from cnnexp.experiment.listener import Listener
from cnnexp.published.forecast import Span
from cnnexp.published.report import TABLE_CSV, TABLE_MARKDOWN, ExperimentResult
from cnnexp.published.request import Request
from cnnexp.published.run import Announcement, run_published
from cnnexp.published.table import CHANGED, EQUAL, REDUCED
from cnnexp.results.report import report
from cnnexp.settings import Given
from cnnexp.tracking.rows import children_of, rows_where
from cnnexp.tracking.run import DESCRIPTION
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import open_store
from cnnexp.training.events import EpochReport, Status
from tests.unit.published.own import OWN, write_own

QUICK = Request(quick=True)
RACE_PART = (
    "race: {data: digits, algorithms: [im2col, torch], train_images: 64, "
    "settings: {epochs: 1, model: convnet, image_size: 8}}\n"
)


class Crash(BaseException):
    pass


class CrashAfter(Listener):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def epoch(self, report: EpochReport) -> None:  # noqa: ARG002 - the listener's signature
        self.epochs -= 1
        if self.epochs == 0:
            raise Crash


class Announced:
    def __init__(self) -> None:
        self.last: Announcement | None = None

    def __call__(self, announcement: Announcement) -> None:
        self.last = announcement


def run(request: Request, *, fresh: bool = False, listener: Listener | None = None) -> ExperimentResult:
    found = run_published("own.yaml", request, fresh=fresh, listener=listener)
    assert found is not None
    return found


def values_of(result: ExperimentResult) -> dict[tuple[str, str], tuple[float, ...]]:
    return {(row.arm, row.what): row.ours for row in result.rows if "seconds" not in row.what}


def test_a_stopped_experiment_goes_on_and_ends_as_if_it_had_not_been(ready_store: str) -> None:
    write_own()
    undisturbed = run(Request())
    assert len(undisturbed.measured.arms["plain"]) == len(undisturbed.measured.arms["conv"]) == 2
    with pytest.raises(Crash):
        run(Request(), listener=CrashAfter(5), fresh=True)
    announced = Announced()
    result = run_published("own.yaml", Request(), announce=announced)
    assert result is not None
    assert announced.last is not None
    assert announced.last.goes_on == "own"
    assert announced.last.done == 2
    assert values_of(result) == values_of(undisturbed)
    store = open_store(ready_store)
    parents = rows_where(store, "tags.kind = 'experiment'")
    assert [row.status for row in parents] == ["FINISHED", "FINISHED"]
    assert [row.status for row in children_of(store, result.run_id)] == ["FINISHED"] * 4
    _check_what_is_recorded(ready_store, result)


def _check_what_is_recorded(uri: str, result: ExperimentResult) -> None:
    store = open_store(uri)
    lines = list(csv.DictReader(store.fetch(result.run_id, TABLE_CSV).read_text().splitlines()))
    (line,) = [one for one in lines if (one["arm"], one["what"]) == ("plain", "test accuracy")]
    children = [row for row in children_of(store, result.run_id) if row.params["model"] == "mlp"]
    mean = sum(row.metrics["test/accuracy"] for row in children) / 2
    assert float(line["mean"]) == pytest.approx(mean, abs=1e-5)
    assert float(line["difference"]) == pytest.approx(mean - 0.5, abs=1e-5)
    markdown = store.fetch(result.run_id, TABLE_MARKDOWN).read_text(encoding="utf-8")
    (parent,) = [row for row in rows_where(store, "tags.kind = 'experiment'") if row.run_id == result.run_id]
    for text in (markdown, parent.tags[DESCRIPTION]):
        assert "| net | parameters | 6,442 | 6,442 |" in text
        assert "conv against plain: test accuracy" in text
    assert store.fetch(result.run_id, "plots/published_plain.png").is_file()
    assert store.fetch(result.run_id, "plots/arms_digits.png").is_file()
    assert "cnnexp" in json.loads(store.fetch(result.run_id, "environment/packages.json").read_text())
    assert store.fetch(result.run_id, "environment/command.txt").is_file()
    _check_how_to_repeat_it(parent)


def _check_how_to_repeat_it(parent: RunRow) -> None:
    again = "cnnexp experiment experiment/own.yaml --seeds 2 --dataset digits=digits"
    assert f"`{again}`" in parent.tags[DESCRIPTION]
    report(parent.run_id, "page.html", bundle="all.zip")
    assert again in Path("page.html").read_text(encoding="utf-8")
    with zipfile.ZipFile("all.zip") as bundle:
        assert again in bundle.read("README.md").decode()
        assert bundle.read("experiment/own.yaml").decode() == OWN


@pytest.mark.usefixtures("ready_store")
def test_a_reduced_form_and_changed_settings_say_so_and_are_not_judged() -> None:
    write_own()
    quick = run(QUICK)
    verdicts = {row.what: row.verdict for row in quick.rows}
    assert verdicts["test accuracy"] == REDUCED
    assert verdicts["parameters"] == EQUAL
    assert (
        verdicts["seconds of training"] == "not comparable: another machine; reduced form, ours of 1 epoch(s)"
    )
    assert {row.difference for row in quick.rows if row.what == "seconds of training"} == {None}
    answers = dict(quick.answers)
    assert answers["Which is better?"][0] == "conv against plain: not measured in this form."
    override = {"epochs": Given(1, "--override"), "fraction": Given(0.1, "--override")}
    changed = run(Request(seeds=1, arms=("plain",), override=override))
    assert {row.verdict for row in changed.rows if row.what == "test accuracy"} == {CHANGED}


@pytest.mark.usefixtures("ready_store")
def test_a_dry_run_says_how_long_each_arm_takes_and_opens_no_run(ready_store: str) -> None:
    write_own()
    announced = Announced()
    assert run_published("own.yaml", Request(), dry_run=True, announce=announced) is None
    assert announced.last is not None
    assert {one.arm: one.runs for one in announced.last.forecasts} == {"plain": 2, "conv": 2}
    span = announced.last.span
    assert 0 < span.fastest <= span.typical < math.inf
    assert not rows_where(open_store(ready_store), "")


@pytest.mark.parametrize(
    ("fastest", "typical", "said"),
    [(600, 610, "10 min"), (600, 900, "10 to 15 min"), (60, 120, "60 s to 2 min"), (4.0, 8.9, "4 to 9 s")],
)
def test_a_forecast_is_a_range_where_the_steps_differed(fastest: float, typical: float, said: str) -> None:
    assert str(Span(fastest, typical)) == said


@pytest.mark.usefixtures("ready_store")
def test_hours_must_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnexp.published.run.LONG_SECONDS", 0.0)
    write_own()
    with pytest.raises(UserError, match=r"will take about .* say --yes .*--quick"):
        run(Request())


@pytest.mark.usefixtures("ready_store")
def test_a_race_is_a_part_of_an_experiment_and_is_read_when_it_goes_on() -> None:
    ask = "questions:\n  - {ask: 'Slower?', answers: [{kind: race}]}\n"
    write_own(RACE_PART + OWN.replace("questions:\n", ask))
    with pytest.raises(Crash):
        run(QUICK, listener=CrashAfter(4))  # three epochs are the race's
    result = run(QUICK)
    assert len(result.measured.values("im2col", "times_torch")) == 1
    assert len(result.measured.values("im2col", "train/accuracy", epoch=1)) == 1
    assert any(one.startswith("im2col: ") for one in dict(result.answers)["Slower?"])
    store = open_store(result.tracking_uri)
    kinds = sorted(row.tags["kind"] for row in children_of(store, result.run_id))
    assert kinds == ["race", "run"]


def signal_in_test(monkeypatch: pytest.MonkeyPatch, number: int, *, of_run: int) -> None:
    """The signal comes while the n-th run is tested: outside its epochs."""
    evaluate, tested = record.evaluate_test, []

    def evaluate_test(*arguments: Any) -> Any:
        tested.append(arguments)
        if len(tested) == of_run:
            signal.raise_signal(number)
        return evaluate(*arguments)

    monkeypatch.setattr(record, "evaluate_test", evaluate_test)


def statuses(result: ExperimentResult) -> dict[str, list[str]]:
    """Kind to statuses; of the experiment, its children and theirs."""
    found = dict[str, list[str]]()
    for row in rows_where(open_store(result.tracking_uri), ""):
        found.setdefault(row.tags["kind"], []).append(row.status)
    return found


@pytest.mark.usefixtures("ready_store")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_test_of_a_run_ends_the_experiment_after_it(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write_own()
    signal_in_test(monkeypatch, number, of_run=2)
    result = run(Request())
    assert (result.outcome.status, result.outcome.exit_code) == (Status.INTERRUPTED, 130)
    assert result.outcome.reason.endswith(" after 2 of 4 runs")
    assert statuses(result) == {"experiment": ["KILLED"], "run": ["FINISHED", "FINISHED"]}


@pytest.mark.usefixtures("ready_store")
@pytest.mark.parametrize(("of_run", "race_status"), [(1, "KILLED"), (3, "FINISHED")])
def test_a_signal_in_the_race_ends_the_experiment(
    monkeypatch: pytest.MonkeyPatch, of_run: int, race_status: str
) -> None:
    write_own(RACE_PART + OWN)
    signal_in_test(monkeypatch, signal.SIGINT, of_run=of_run)  # three runs are the race's
    result = run(QUICK)
    assert (result.outcome.status, result.outcome.exit_code) == (Status.INTERRUPTED, 130)
    found = statuses(result)
    assert (found["experiment"], found["race"]) == (["KILLED"], [race_status])
    assert found["run"] == ["FINISHED"] * of_run


@pytest.mark.usefixtures("ready_store")
def test_whatever_fails_while_an_experiment_opens_its_run_does_not_stay_running(
    ready_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_own()
    for target in ("cnnexp.published.run.machine_facts", "cnnexp.published.report.record_environment"):
        with monkeypatch.context() as patch:
            patch.setattr(target, crash)
            with pytest.raises(Crash):
                run(QUICK)
    (row,) = rows_where(open_store(ready_store), "")  # what is looked up first opens no run
    assert (row.status, row.reason) == ("FAILED", "Crash: ")


def crash(*_: object) -> None:
    raise Crash


@pytest.mark.usefixtures("ready_store")
def test_the_file_that_is_written_is_the_shipped_one_and_is_not_overwritten() -> None:
    write = ["experiment", "s1", "--write", "my.yaml"]
    assert CliRunner().invoke(cli, write).exit_code == 0
    with pytest.raises(UserError, match=r"my.yaml exists; give --force"):
        CliRunner().invoke(cli, write, catch_exceptions=False)
    assert CliRunner().invoke(cli, [*write, "--force"]).exit_code == 0


def test_the_list_names_every_shipped_experiment() -> None:
    output = CliRunner().invoke(cli, ["experiments"]).output
    assert re.findall(r"^(s\d) ", output, re.MULTILINE) == ["s0", "s1", "s2", "s3", "s4"]
    assert max(map(len, output.splitlines()[:-1])) <= WIDTH  # the last line says where the files lie


@pytest.mark.usefixtures("ready_store")
def test_what_an_experiment_prints_is_as_wide_as_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    long = "a page whose name is so long that no terminal has a line for it and longer still"
    write_own(
        OWN.replace("another machine", long)
        .replace("name: net,", f"name: {long[:60]},")
        .replace("[net]", f'["{long[:60]}"]')
    )
    say_experiment(run(QUICK), "cnnexp experiment own.yaml --quick")
    lines = capsys.readouterr().out.splitlines()
    assert "plain, 1 seed" in lines
    (at,) = (number for number, line in enumerate(lines) if line.startswith("completed"))
    assert max(map(len, lines[:at])) <= WIDTH  # what follows is to be copied: it is not broken into lines
