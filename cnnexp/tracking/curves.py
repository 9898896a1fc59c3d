"""The epochs of a run that has ended, read back from the store."""

from __future__ import annotations

from collections.abc import Sequence

from cnnexp.tracking.opening import tracking_errors
from cnnexp.tracking.store import Store


def curves_of_run(store: Store, run_id: str, metrics: Sequence[str]) -> dict[str, list[float]]:
    """Returns the values of each metric, epoch by epoch; the last one where an epoch was logged twice.

    Raises:
        TrackingError: no such run, or the store is away.
    """
    with tracking_errors(f"the epochs of run {run_id!r} cannot be read"):
        found = {name: store.client.get_metric_history(run_id, name) for name in metrics}
    return {
        name: list({one.step: one.value for one in sorted(points, key=lambda one: one.step)}.values())
        for name, points in found.items()
    }
