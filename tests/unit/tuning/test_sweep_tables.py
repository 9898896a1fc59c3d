"""The table of a sweep in every form."""

from __future__ import annotations

import csv
import io

from cnnexp.tuning.compare import Cell
from cnnexp.tuning.tables import csv_of, latex_of, markdown_of, rows_of

NAMES = ("batch_size", "fit")
CELLS = [
    Cell(
        {"batch_size": 16, "fit": "a|b_c & 50%"},
        {0: 0.5},
        {0: 1.25},
        {"parameters": 44426.0, "macs": 7.0},
        {0: "x"},
    ),
    Cell({"batch_size": 64, "fit": "crop"}, {0: 0.75, 1: 0.85}, {0: 2.0, 1: 4.0}, {"parameters": 1.0}, {}),
    Cell({"batch_size": 256, "fit": "crop"}, {}, {}, {}, {}, note="never trained: too small"),
]


def test_rows_are_best_first_with_mean_and_sd_of_several_seeds() -> None:
    assert rows_of(NAMES, CELLS) == [
        ["64", "crop", "80.00 ± 7.07", "3.0 ± 1.4", "1", "2"],
        ["16", "a|b_c & 50%", "50.00", "1.2", "44,426", "1"],
        ["256", "crop", "–", "–", "–", "0"],
    ]


def test_csv_has_plain_numbers_and_why_a_cell_is_empty() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_of(NAMES, CELLS))))
    assert rows[0]["val_accuracy_mean"] == "0.8"
    assert (rows[1]["val_accuracy_sd"], rows[1]["parameters"], rows[1]["macs"]) == ("", "44426", "7")
    assert (rows[2]["seeds"], rows[2]["note"]) == ("0", "never trained: too small")
    assert rows[1]["fit"] == "a|b_c & 50%"


def test_markdown_escapes_its_bars() -> None:
    lines = markdown_of(NAMES, CELLS).splitlines()
    assert lines[1] == "| --- | --- | ---: | ---: | ---: | ---: |"
    assert r"a\|b_c & 50%" in lines[3]
    assert {line.replace(r"\|", "").count("|") for line in lines} == {7}


def test_latex_escapes_and_uses_booktabs() -> None:
    text = latex_of(NAMES, CELLS)
    assert text.startswith("\\begin{tabular}{llrrrr}\n\\toprule\nbatch\\_size & fit & val accuracy (\\%) &")
    assert r"16 & a|b\_c \& 50\% & 50.00" in text
    assert r"80.00 $\pm$ 7.07" in text
    assert text.count(r"\\") == len(CELLS) + 1
    assert "–" not in text
