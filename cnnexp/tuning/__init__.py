"""Studies: the only package that imports optuna."""

from cnnexp.tuning.listener import StudyListener
from cnnexp.tuning.result import StudyResult
from cnnexp.tuning.search import tune

__all__ = ["StudyListener", "StudyResult", "tune"]
