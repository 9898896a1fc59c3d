"""The only assembler: settings become objects, objects become one run."""

from cnnexp.experiment.entry import train
from cnnexp.experiment.listener import Listener, RunFacts
from cnnexp.experiment.result import Result

__all__ = ["Listener", "Result", "RunFacts", "train"]
