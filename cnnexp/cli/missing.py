"""An argument that was left out: what it is, what it may be, and an example, in the same words everywhere."""

from __future__ import annotations

import click

from cnnexp.errors import UserError

A_RUN = "a run id, the start of one, a name, last, best, or the URI of a model (`cnnexp runs` lists runs)"
# Placeholder in the help, without dots -> what it may be, and an example of it.
_ARGUMENTS = {
    "RUN": (A_RUN, "last"),
    "RUN|STUDY|EXPERIMENT": (
        "a run (id, start of one, name, last, best, URI of a model), or the name of a study or experiment",
        "last",
    ),
    "NAME|FILE.yaml": ("the name of a shipped experiment (`cnnexp experiments` lists them) or a file", "s1"),
    "MODEL": ("the name of a model (`cnnexp models` lists them)", "lenet"),
    "DATASET": ("the name of a data set (`cnnexp datasets` lists them) or folder:PATH", "digits"),
    "IMAGE": ("image files, or test:0 for the first test image", "photo.jpg"),
    "PATH": ("photo files, folders or globs", "photos/"),
    "STUDY": ("the name of a study (`cnnexp studies` lists them)", "lenet-digits-1a2b3c"),
    "NAME": ("the name that it gets in the registry", "vehicles"),
}


def missing(error: click.MissingParameter) -> UserError:
    """Returns what to raise where a command lacks an argument."""
    context, parameter = error.ctx, error.param
    if context is None or not isinstance(parameter, click.Argument):
        return UserError(error.format_message())
    name = _placeholder(parameter, context)
    allowed, _ = _ARGUMENTS[name]
    words = [
        _ARGUMENTS[_placeholder(one, context)][1]
        for one in context.command.params
        if isinstance(one, click.Argument) and one.required
    ]
    example = " ".join([context.command_path, *words])
    return UserError(f"{name} is missing: give {allowed}. For example: {example}")


def _placeholder(argument: click.Argument, context: click.Context) -> str:
    return argument.make_metavar(context).removesuffix("...")
