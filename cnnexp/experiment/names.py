"""What runs call their files, metrics and tags; needs no torch, as what only looks at finished runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SETTINGS_FILE = "settings.yaml"
CHOSEN_FILE = "chosen.yaml"  # of the settings only what was chosen
DATASET_FILE = "data/dataset.json"
EPOCHS_FILE = "epochs.csv"
PREDICTIONS_FILE = "test/predictions.csv"
MODEL_NAME = "model"

TEST_ACCURACY = "test/accuracy"  # metrics
VAL_ACCURACY = "best/val_accuracy"

AGAIN = "cnnexp.again"  # tag: the command that repeats a run, where that is not one of its settings file
CHILD = "child"  # tag: which of its parent's children a run is
SEEDS_KIND = "seeds"  # tag `kind` of the parent of several seeds


def read_json(path: Path) -> dict[str, Any]:
    """Returns a JSON file that a run wrote."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
