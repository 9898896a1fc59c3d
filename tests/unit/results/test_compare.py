"""What a comparison may claim: only what seeds and test images can tell."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from cnnexp.errors import UnknownNameError, UserError
from cnnexp.results.compare import Comparison, compare_groups, refuse_several_datasets
from cnnexp.results.compare_figures import about_intervals, curves_title
from cnnexp.results.compare_tables import csv_of, latex_of, markdown_of, results_table, settings_table
from cnnexp.results.groups import RunGroup, first_trainings, grouped_by, on_dataset
from tests.unit.results.made import NO_STORE, made_group, made_run

TEST, VAL = "test/accuracy", "best/val_accuracy"


def compared(*groups: RunGroup, metric: str = TEST, anyway: bool = False) -> Comparison:
    return compare_groups(groups, NO_STORE, metric=metric, anyway=anyway)


def test_seeds_that_are_clearly_apart_are_told_with_both_intervals() -> None:
    found = compared(made_group("bad", (80, 82, 84)), made_group("good", (20, 22, 24)))
    assert found.groups[0].label == "good"
    assert found.pairs[0].is_told
    (said,) = found.sentences
    assert said.startswith("good is better than bad, by 15.0 points of test accuracy (95 % interval +1")
    assert "over 3 and 3 seeds" in said
    assert "over 400 test images" in said


def test_seeds_that_overlap_cannot_be_told_apart() -> None:
    found = compared(made_group("one", (20, 60, 40)), made_group("other", (30, 70, 50)))
    assert not found.pairs[0].is_told
    assert found.sentences[0].startswith("This data cannot say which of one and other is better: one is 2.5")


def test_seeds_that_are_apart_on_few_images_are_not_called_better() -> None:
    one, other = (
        RunGroup(name, tuple(made_run(wrong, images=30, seed=seed, model=name) for seed in range(3)))
        for name, wrong in (("one", [0]), ("other", [1, 2]))
    )
    found = compared(one, other)
    assert found.pairs[0].p == 0  # no spread at all over seeds
    assert not found.pairs[0].is_told
    assert "the seeds tell them apart, but other test images might not" in found.sentences[0]


def test_single_runs_are_compared_image_by_image() -> None:
    found = compared(made_group("good", (10,)), made_group("bad", (60,)))
    pair = found.pairs[0]
    assert pair.over_images is not None
    assert (pair.over_images.only_first, pair.over_images.only_second) == (50, 0)
    assert pair.is_told
    assert "over 400 test images; p < 0.0001)" in found.sentences[0]


def test_a_single_run_against_seeds_is_not_told() -> None:
    found = compared(made_group("one", (10,)), made_group("many", (60, 61)))
    assert not found.pairs[0].is_told
    assert "of one there is one run only, whose seed may be lucky" in found.sentences[0]


def test_many_are_corrected_for_every_pair_and_said() -> None:
    found = compared(*(made_group(f"g{number}", (10 * number,)) for number in range(1, 8)))
    assert found.num_pairs == 21
    assert len(found.pairs) == 6  # with the leader
    assert all((pair.p or 0) < (pair.p_corrected or 0) for pair in found.pairs if pair.p)
    assert "p is corrected for all 21 pairs" in found.sentences[-1]
    assert any("chosen on the test part" in note for note in found.notes)


def test_single_trials_tell_nothing_in_one_sentence() -> None:
    found = compared(*(made_group(f"trial {n}", (10 * n,)) for n in range(4)), metric=VAL)
    (said,) = found.sentences
    assert "cannot say which is best: trial 0 leads with validation accuracy 100.0 %, 2.5 points" in said
    assert found.test_part == ""


def test_trials_of_a_search_are_no_independent_draws_and_nothing_is_claimed() -> None:
    groups = made_group("cnn", (10, 11, 12)), made_group("mlp", (80, 81, 82))
    assert compared(*groups, metric=VAL).pairs[0].is_told  # a sweep's, which are every combination
    found = compare_groups(groups, NO_STORE, metric=VAL, is_searched=True)
    (said,) = found.sentences
    assert "cannot say which is best: cnn leads with mean validation accuracy 97.2 %, 17.5 points" in said
    assert "trials of a search are not independent draws" in said
    assert found.pairs[0].p is None
    header, (row, _) = results_table(found)
    assert row[header.index("95 % interval")] == "–"


def test_an_interval_says_whether_it_is_over_seeds_runs_or_images() -> None:
    one = made_run([1], model="one")
    one.row.metrics.update({"test/accuracy_low": 0.98, "test/accuracy_high": 0.999})  # type: ignore[attr-defined]
    mixed = RunGroup("mixed", (made_run([1], lr=1), made_run([1, 2], lr=2)))
    found = compared(made_group("several", (1, 3)), RunGroup("one", (one,)), mixed)
    header, rows = results_table(found)
    over = {row[0]: row[header.index("interval over")] for row in rows}
    assert over == {"several": "seeds", "one": "images", "mixed": "runs"}
    lines = csv.DictReader(io.StringIO(csv_of(found)))
    assert {line["group"]: line["test_accuracy_interval_over"] for line in lines} == over
    assert about_intervals({"seeds", "images"}) == (
        "dot: a run; line: 95 % interval of a mean over seeds, of a single run over test images"
    )


def test_different_data_need_anyway_and_are_not_paired() -> None:
    groups = made_group("a", (1, 2)), made_group("b", (50, 52), digest="sha256:bb", images=100)
    with pytest.raises(UserError, match=r"different data \(a: made .*sha256:bb.*--anyway"):
        compared(*groups)
    found = compared(*groups, anyway=True)
    assert found.pairs[0].over_images is None
    assert any("not the same" in note for note in found.notes)


def test_runs_of_an_experiment_on_several_data_sets_are_refused_by_their_names() -> None:
    digits = made_group("mlp", (1, 2), dataset="digits")
    fashion = made_group("cnn", (3,), dataset="fashion-mnist", digest="sha256:bb")
    sentence = (
        r"digits \(2 runs, 400 images, sha256:aa\); fashion-mnist \(1 run, 400 images, sha256:bb\)\. "
        r"--dataset digits, say, compares those of one; --anyway"
    )
    with pytest.raises(UserError, match=sentence):
        refuse_several_datasets([fashion, digits])
    refuse_several_datasets([digits])
    small = made_group("small", (1, 2, 3), dataset="digits", digest="sha256:cc")
    with pytest.raises(UserError, match=r"--dataset sha256:cc, say"):  # the name alone would not tell
        refuse_several_datasets([digits, small])


def test_a_data_set_is_chosen_by_its_name_or_the_start_of_its_digest() -> None:
    digits = made_group("mlp", (1,), dataset="digits")
    small = made_group("small", (1,), dataset="digits", digest="sha256:cc")
    fashion = made_group("cnn", (3,), dataset="fashion-mnist", digest="sha256:bb")
    groups = [digits, small, fashion]
    assert on_dataset(groups, "digits") == [digits, small]
    assert on_dataset(groups, "sha256:c") == [small]
    with pytest.raises(UnknownNameError, match=r"did you mean 'digits'.*Known: digits, fashion-mnist"):
        on_dataset(groups, "digit")


def test_the_title_of_the_curves_is_of_validation() -> None:
    series = {
        label: (np.ones((2, 3)), np.array([[0.1, high, 0.2], [0.1, 0.2, high]]))
        for label, high in (("cnn", 0.8), ("mlp", 0.9), ("lenet", 0.7))
    }
    assert curves_title(series) == "Validation, highest accuracy (the best two): mlp 90.0 %, cnn 80.0 %"


def test_the_same_rows_in_another_size_are_the_same_images_anyway() -> None:
    found = compared(made_group("a", (1,)), made_group("b", (50,), digest="sha256:bb"), anyway=True)
    assert found.same_images


def test_the_record_says_how_often_the_test_part_was_looked_at() -> None:
    found = compared(made_group("a", (1, 2)), made_group("b", (5, 6)))
    assert "400 images of made (sha256:aa), evaluated once by each of the 4 runs" in found.test_part
    assert "evaluates nothing anew" in found.test_part


def test_runs_are_grouped_by_a_setting_and_other_differences_are_said() -> None:
    alone = [
        RunGroup(f"{lr}-{seed}", (made_run(range(seed), seed=seed, lr=lr, epochs=epochs),))
        for lr, epochs in ((0.1, 1), (0.01, 2))
        for seed in (1, 2)
    ]
    groups = grouped_by(alone, "lr")
    assert [(group.label, len(group.runs)) for group in groups] == [("lr=0.01", 2), ("lr=0.1", 2)]
    assert not compared(*groups).notes
    by_seed = compared(*grouped_by(alone, "seed"))
    assert [note for note in by_seed.notes if "the runs of seed=1 differ also in lr, epochs" in note]
    with pytest.raises(UnknownNameError, match="did you mean 'epochs'"):
        grouped_by(alone, "epoch")


def test_copies_of_a_run_are_no_further_seeds() -> None:
    alone = [
        RunGroup(f"{model}-{seed}", (made_run(range(wrong + seed), seed=seed, model=model),))
        for model, wrong in (("cnn", 20), ("mlp", 40))
        for seed in (0, 1)
    ]
    parent = RunGroup("cnn", tuple(one for group in alone[:2] for one in group.runs))
    again = RunGroup("mlp-0 again", (made_run(range(40), model="mlp", run_name="again", figures="none"),))
    for given in ([parent, *alone], [*alone, again]):
        assert [len(one.runs) for one in grouped_by(given, "model")] == [2, 2]
    (note,) = compared(*grouped_by([*alone, again], "model")).notes
    assert note == "of mlp runs of equal settings and seed count once; left out: mlp-0"


def test_runs_made_by_reproduce_are_left_out_and_named() -> None:
    run, copy = (
        RunGroup(name, (made_run(range(9), tags=tags),))
        for name, tags in (("run", {}), ("run again", {"reproduces": "0" * 32}))
    )
    assert first_trainings([run]) == ([run], [])
    kept, (note,) = first_trainings([run, copy])
    assert (kept, note) == ([run], "left out as copies that `cnnexp reproduce` made: run again")
    with pytest.raises(UserError, match="all of these runs were made by `cnnexp reproduce`"):
        first_trainings([copy])


def test_a_model_argument_is_grouped_by_without_its_prefix() -> None:
    alone = [RunGroup(str(k), (made_run([], params={"model.kernel_size": k}),)) for k in (5, 3, 11)]
    assert [one.label for one in grouped_by(alone, "kernel-size")] == [
        "kernel_size=3",
        "kernel_size=5",
        "kernel_size=11",
    ]


def test_tables_show_what_differs_and_mean_with_sd() -> None:
    found = compared(made_group("a", (1, 3), lr=0.1, fit="pad"), made_group("b|_", (5, 6), lr=0.2, fit="pad"))
    assert settings_table(found) == (
        ["setting", "a", "b|_"],
        [["model", "a", "b|_"], ["lr", "0.1", "0.2"]],
    )
    header, rows = results_table(found)
    assert rows[0][:3] == ["a", "2", "99.50 ± 0.35"]
    assert header[2] == "test accuracy (%)"
    (row, _) = csv.DictReader(io.StringIO(csv_of(found)))
    assert (row["test_accuracy_mean"], len(row["run_ids"].split())) == ("0.995", 2)
    assert r"b\|\_" not in markdown_of(found)
    assert r"b\|_" in markdown_of(found)
    assert "\\toprule" in latex_of(found)
    assert r"b|\_ & 2 &" in latex_of(found)
