"""Pages of runs, studies and experiments: what they show, what they say is missing, what they escape."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnnexp
from cnnexp.cli import cli
from cnnexp.errors import TrackingError, UserError
from cnnexp.results.recorded import find_recorded
from cnnexp.results.report import Report
from cnnexp.tracking.store import PARENT, Store, open_store
from tests.e2e.runs import Crash, StopAfter
from tests.unit.results.untrained import epochs_of, make_run, make_sweep

QUICK: dict[str, Any] = {
    **{"model": "mlp", "epochs": 2, "batch_size": 16, "figures": "none", "log_model": False, "threads": 1},
    "dataset": "folder:photos",
}
EVIL = "<script>alert('run')</script>"
CLASSES = ('a "quoted" <b>class', "b & 'c'")
TRIAL = {"values": [0.5], "facts": {"parameters": 12.0, "seconds": 1.0}, "epochs": 1, "reason": "all done"}


def write_photos() -> None:
    generator = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        folder = Path("photos", name)
        folder.mkdir(parents=True)
        for number in range(40):
            pixels = generator.integers(0, 128, (12, 12, 3)) + 60 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory, _empty_store: Path) -> Path:
    """A folder with photos and a store in which one run was trained on them."""
    folder = tmp_path_factory.mktemp("report")
    shutil.copy(_empty_store, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CNNEXP_CACHE_DIR", str(folder / "cache"))
        write_photos()
        cnnexp.train(
            **QUICK,
            run_name=EVIL,
            tags={"question": '"Can" <it> be?', "course": "<i>7</i>"},
            tracking_uri=f"sqlite:///{folder}/mlflow.db",
        )
    return folder


@pytest.fixture
def made(_made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.chdir(_made)
    before = set(_made.iterdir())
    yield open_store()
    for path in set(_made.iterdir()) - before:
        path.unlink()


def page_of(what: str = "last", **options: Any) -> tuple[str, Report]:
    written = cnnexp.report(what, "page.html", **options)
    return written.path.read_text(encoding="utf-8"), written


def behind(page: str) -> dict[str, list[list[Any]]]:
    """The images behind each cell, by `true-predicted`."""
    found = re.findall(r'<script type="application/json" id="behind-(\d+-\d+)">(.*?)</script>', page)
    return {cell: json.loads(text) for cell, text in found}


def test_every_cell_of_the_matrix_opens_as_many_images_as_it_counts(made: Store) -> None:
    page, written = page_of()
    counts = {f"{row}-{column}": n for (row, column), n in np.ndenumerate(find_recorded(made, "last").matrix)}
    entries = behind(page)
    assert {cell: len(images) for cell, images in entries.items()} == {k: n for k, n in counts.items() if n}
    names = {name for images in entries.values() for name, _, _ in images}
    assert names <= {str(path.relative_to("photos")) for path in Path("photos").rglob("*.png")}
    assert all(uri.startswith("data:image/") for images in entries.values() for _, _, uri in images)
    assert written.missing == ()


def test_what_users_write_is_shown_and_never_run(made: Store) -> None:  # noqa: ARG001
    page, _ = page_of()
    assert not re.search(r"<script>alert|<b>class|<it>|<i>7", page)
    words = unescape(re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL))
    for text in (EVIL, '"Can" <it> be?', "<i>7</i>", *CLASSES):
        assert text in words
    assert len(re.findall("<script", page)) == 1 + len(behind(page))


def test_a_page_asks_for_nothing_outside_itself(made: Store) -> None:  # noqa: ARG001
    page, _ = page_of()
    assert set(re.findall(r'(?:src|href)="([^"]{0,5})', page)) <= {
        "data:",
        *re.findall('"(#[^"]{0,4})', page),
    }
    assert not re.search(r"@import|url\((?!#)", page)


def test_a_page_shows_what_the_run_recorded(made: Store) -> None:
    page, _ = page_of()
    run = find_recorded(made, "last")
    for section in ("settings", "data", "network", "curves", "matrix", "classes", "mistakes", "repeat"):
        assert f'<h2 id="{section}">' in page
    shown = f"{100 * run.row.metrics['test/accuracy']:.2f} %"
    assert page.count(shown) >= 1
    assert run.data.digest in page
    first, rest = page.split("settings at their defaults")
    assert '<th scope="row" class="marked ">epochs</th>' in first
    assert '<th scope="row" class="marked ">optimizer</th>' not in first
    assert '<th scope="row" class="marked ">optimizer</th>' in rest


def test_without_its_data_a_page_says_so_and_shows_no_image(made: Store) -> None:  # noqa: ARG001
    Path("photos").rename("elsewhere")
    try:
        page, written = page_of()
        moved, _ = page_of(dataset="folder:elsewhere")
        Path("elsewhere", CLASSES[0], "0.png").rename("taken.png")
        _, changed = page_of(dataset="folder:elsewhere")
        Path("taken.png").rename(Path("elsewhere", CLASSES[0], "0.png"))
    finally:
        Path("elsewhere").rename("photos")
    (sentence,) = written.missing
    assert sentence.startswith("No image is shown: the data set cannot be loaded now")
    assert "No image is shown" in page
    assert "data:image" not in page
    entries = [entry for images in behind(page).values() for entry in images]
    assert entries
    assert all(re.fullmatch(r"test:\d+, row \d+", name) for name, _, _ in entries)
    assert "data:image" in moved
    assert "has changed since" in changed.missing[0]


def test_a_run_that_was_stopped_says_what_is_missing(ready_store: str) -> None:
    write_photos()
    with pytest.raises(Crash):
        cnnexp.train(**QUICK, listener=StopAfter(1))
    page, written = page_of(tracking_uri=ready_store)
    assert any("test part was not evaluated" in one for one in written.missing)
    assert '<h2 id="curves">' in page
    assert '<h2 id="matrix">' not in page


@pytest.fixture
def store(ready_store: str) -> Store:
    return open_store(ready_store)


def test_a_study_has_its_trials_and_its_figures(store: Store) -> None:
    plan = {"space": {"lr": "0.1..1:log"}, "objectives": ["val/accuracy"], "trials": 2, "sampler": "tpe"}
    trials = [
        {**TRIAL, "number": 0, "state": "COMPLETE", "params": {"lr": 0.25}},
        {**TRIAL, "number": 1, "state": "PRUNED", "params": {"lr": 0.75}, "values": []},
    ]
    files = {"study/study.json": json.dumps(plan), "study/trials.json": json.dumps(trials)}
    make_run(store, "mine", files=files, kind="study", study="mine")
    page, written = page_of("mine")
    assert '<h2 id="trials">' in page
    assert {"0.25", "0.75", "50.00"} <= set(re.findall(r">([^<]+)</td>", page))
    assert len(written.missing) == 2  # no figures, no refit
    recorded = find_recorded(store, "mine")
    Image.new("RGB", (3, 3)).save(recorded.file("study/study.json").with_name("history.png"))
    page, written = page_of("mine")
    assert page.count("data:image/png") == 1
    assert len(written.missing) == 1


def test_a_sweep_has_its_trials_its_best_one_and_how_to_repeat_it(store: Store) -> None:
    runs = make_sweep(store)
    page, written = page_of("grid")
    (trials,) = re.findall(r"<caption>5 trials.*?</table>", page, re.DOTALL)
    names = ["trial", "state", "val. acc. (%)", "lr", "seed", "parameters", "seconds", "run", "why it ended"]
    assert re.findall(r"<button[^>]*>(.*?)</button>", trials) == names
    assert re.findall(r'<th scope="row" class="number (marked )?"', trials) == ["", "marked ", "", "", ""]
    assert [trials.count(f">{state}</td>") for state in ("complete", "fail")] == [4, 1]
    assert all(run_id[:8] in trials for run_id in runs.values())
    assert "val_accuracy_mean" not in page
    assert "85.00 ± 7.07" in page
    assert "cnnexp train --from-trial grid:1" in page  # of the best mean, not the luckiest seed
    assert "Settings of the best trial, number 1" in page
    assert '<h2 id="curves">' in page
    assert written.missing == ("The sweep drew no figures (--figures none).",)


def test_seeds_are_summed_up_by_mean_and_sd(store: Store) -> None:
    table = "seed,run_id,test_accuracy\n0,,0.80\n1,,0.82\n2,,0.90\n"
    parent = make_run(store, "five", kind="seeds", files={"seeds/table.csv": table})
    for seed, accuracy in enumerate((0.80, 0.82, 0.90)):
        tags = {PARENT: parent, "child": f"seed {seed}"}
        make_run(store, f"five-{seed}", accuracy=accuracy, files=epochs_of(0.5, accuracy), tags=tags)
    page, _ = page_of("five", bundle="five.zip")
    assert (
        "Test accuracy: 84.00 ± 5.29 % (mean ± sd of 3 seeds; 95 % t interval of the mean 70.86 to 97.14 %)."
        in page
    )
    assert all(page.count(f">five-{seed}</th>") == 1 for seed in range(3))
    assert "<svg" in page
    with zipfile.ZipFile("five.zip") as bundle:
        assert bundle.read("seeds/table.csv").decode() == table
        assert len([name for name in bundle.namelist() if name.endswith("epochs.csv")]) == 3


def test_what_is_no_training_is_shown_by_its_tables_and_figures(store: Store) -> None:
    make_run(store, "versus", files={"comparison/table.csv": "run,accuracy\n<b>,0.5\n"}, kind="comparison")
    page, written = page_of("versus")
    assert '<h2 id="tables">' in page
    assert ">&lt;b&gt;</th>" in page
    assert written.missing == ()


def test_an_experiment_lists_its_runs_best_first_without_trials(store: Store) -> None:
    for name, accuracy in (("bad", 0.1), ("good", 0.9), ("fair", 0.5)):
        make_run(store, name, accuracy=accuracy, files=epochs_of(accuracy))
    make_run(store, "searched", accuracy=1.0, kind="trial")
    make_run(store, EVIL)
    page, _ = page_of("lab")
    rows = re.findall(r'<th scope="row" class="marked ">(.*?)</th>', page)
    assert [unescape(name) for name in rows] == ["good", "fair", "bad", EVIL]
    assert page.count("<svg") == 1
    assert "<script>alert" not in page


def test_runs_of_different_data_sets_are_not_ranked_together(store: Store) -> None:
    for name, accuracy, dataset in (
        ("fair", 0.5, "digits"),
        ("good", 0.9, "digits"),
        ("best", 0.99, "mnist"),
    ):
        make_run(store, name, accuracy=accuracy, files=epochs_of(accuracy), params={"dataset": dataset})
    make_run(store, "versus", kind="comparison")
    page, _ = page_of("lab")
    sections = re.split(r"<h2 id=", page)[2:]
    assert [one.partition(">")[2].partition("<")[0] for one in sections] == [
        "Runs on digits",
        "Runs on mnist",
        "Other runs",
    ]
    named = [re.findall(r'<th scope="row" class="marked ">(.*?)</th>', one) for one in sections]
    assert named == [["good", "fair"], ["best"], ["versus"]]
    assert ["<svg" in one for one in sections] == [True, True, False]


def test_runs_that_differ_in_the_seed_alone_are_one_arm(store: Store) -> None:
    for model, seed, accuracy in (("cnn", 0, 0.9), ("cnn", 1, 0.8), ("mlp", 0, 0.7)):
        params = {"model": model, "seed": seed, "lr": 0.1, "num_test": 9 * seed}
        files = epochs_of(*[accuracy] * (2 + seed))
        make_run(store, f"{model}-seed{seed}", accuracy=accuracy, files=files, params=params)
    page, _ = page_of("lab")
    (arms, *_) = re.findall(r"<caption>Mean.*?</table>", page, re.DOTALL)
    assert re.findall(r'<th scope="row" class="marked ">(.*?)</th>', arms) == ["cnn", "mlp"]
    assert "85.00 ± 7.07" in arms
    (chart,) = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert [text for text in re.findall(r">([^<>]+)</text>", chart) if text in ("cnn", "mlp")] == [
        "cnn",
        "mlp",
    ]


def test_a_name_of_several_things_asks_for_its_kind(store: Store) -> None:
    make_run(store, "lab")
    make_run(store, "other", kind="study", study="lab")
    with pytest.raises(
        TrackingError, match=r"a run and of a study and of an experiment; .*--kind run or --kind"
    ):
        page_of("lab")
    for kind in ("run", "study", "experiment"):
        page_of("lab", kind=kind)
    make_run(store, "lab")
    with pytest.raises(TrackingError, match="more than one run"):
        page_of("lab", kind="run")


def test_an_unknown_name_gets_the_nearest(store: Store) -> None:
    make_run(store, "baseline")
    with pytest.raises(TrackingError, match="did you mean 'baseline'"):
        page_of("baselin")
    with pytest.raises(TrackingError, match="no study 'baseline'"):
        page_of("baseline", kind="study")


def test_the_bundle_repeats_the_run(made: Store) -> None:
    page, written = page_of(bundle="hand-in.zip")
    assert written.bundle == Path("hand-in.zip")
    with zipfile.ZipFile("hand-in.zip") as bundle:
        names = set(bundle.namelist())
        assert bundle.read("report.html").decode() == page
        weights = bundle.read("checkpoints/best.safetensors")
        readme = bundle.read("README.md").decode()
    assert {"settings.yaml", "test/predictions.csv", "environment/packages.json"} <= names
    assert "checkpoints/last.safetensors" not in names
    assert weights == find_recorded(made, "last").file("checkpoints/best.safetensors").read_bytes()
    assert "cnnexp train --config settings.yaml" in readme
    assert "No commit is recorded: it was run outside of a git repository." in readme


def test_the_bundle_says_the_commit_and_has_that_of_every_run(store: Store) -> None:
    files = {"environment/commit.txt": "abc123\n", "environment/uncommitted.diff": "+1\n"}
    parent = make_run(store, "many", kind="seeds", files=files)
    child = make_run(store, "many-0", accuracy=0.5, files=files, tags={PARENT: parent})
    page_of("many", bundle="many.zip")
    with zipfile.ZipFile("many.zip") as bundle:
        assert "The code was at commit `abc123`" in bundle.read("README.md").decode()
        for name, text in files.items():
            for path in (name, f"runs/many-0-{child[:8]}/{name}"):
                assert bundle.read(path).decode() == text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-o", "there.html"), "--output there.html exists; give --force"),
        (("-o", "page.pdf"), "--output page.pdf must end with .html"),
        (("-o", "none/page.html"), "the folder none does not exist"),
        (("--bundle", "all.tar"), "--bundle all.tar must end with .zip"),
    ],
)
def test_a_file_that_cannot_be_written_is_said_first(options: tuple[str, ...], sentence: str) -> None:
    Path("there.html").touch()
    with pytest.raises(UserError, match=re.escape(sentence)):
        cli.main(["report", "last", *options], prog_name="cnnexp", standalone_mode=False)


def test_the_command_says_what_it_wrote_and_what_is_missing(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(store, "bare")
    cli.main(["report", "bare"], prog_name="cnnexp", standalone_mode=False)
    said = capsys.readouterr()
    assert "Written: report.html" in said.out
    assert "Note: The test part was not evaluated" in said.err
