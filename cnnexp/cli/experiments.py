"""`cnnexp experiments`."""

from __future__ import annotations

import click

from cnnexp.cli.tables import WIDTH, print_table


@click.command()
def experiments() -> None:
    """List the published experiments that ship as files.

    `cnnexp experiment NAME` runs one; `cnnexp experiment NAME --write my.yaml` copies its file, a good start
    for an experiment of your own.
    """
    from cnnexp.published import shipped
    from cnnexp.published.read import read_experiment

    rows = []
    for name, path in shipped().items():
        found = read_experiment(path).experiment
        runs = f"{len(found.arms)} × {found.seeds}" + (" + race" if found.race is not None else "")
        data = ", ".join(role.what for role in found.data.values())
        rows.append((name, found.title, runs, data, len(found.questions)))
    header = ("name", "what", "arms × seeds", "data", "questions")
    print_table(header, rows, right=("arms × seeds", "questions"), width=WIDTH)
    click.echo(f"\nThe files lie in {path.parent}; `--write` copies one to start from.")
