"""Studies: the only package that imports optuna."""

from cnnexp.tuning.grid import sweep
from cnnexp.tuning.listener import StudyListener
from cnnexp.tuning.result import StudyResult, SweepResult
from cnnexp.tuning.search import tune

__all__ = ["StudyListener", "StudyResult", "SweepResult", "sweep", "tune"]
