"""Convolution by hand: the algorithms, a layer that computes by them, and what measures them.

Knows torch and the errors, and nothing of models or experiments. No library convolution is called in here.
"""

from cnnexp.convolution.choice import ALGORITHMS, Choice, choose, refusal
from cnnexp.convolution.convolve import convolve
from cnnexp.convolution.layer import Conv2d, check_model, replace_convolutions
from cnnexp.errors import ConvolutionError

__all__ = [
    "ALGORITHMS",
    "Choice",
    "Conv2d",
    "ConvolutionError",
    "check_model",
    "choose",
    "convolve",
    "refusal",
    "replace_convolutions",
]
