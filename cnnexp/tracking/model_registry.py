"""The models that runs have logged, and MLflow's registry of those that have a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cnnexp.errors import TrackingError
from cnnexp.tracking.model_uri import OF_MODELS, Meant, logged_model
from cnnexp.tracking.model_versions import versions_of
from cnnexp.tracking.opening import tracking_errors
from cnnexp.tracking.rows import read_row, way_to_children
from cnnexp.tracking.store import Store

_NAME = re.compile(r"(?!m-)[^/:@'\"\s][^/:@'\"]*")  # another would not be found again by a URI
_ALIAS = re.compile(r"(?!latest$|v\d+$)[\w-]+", re.ASCII | re.IGNORECASE)  # those two mean versions


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of a registered model.

    Attributes:
        name: of the model.
        version: counted from 1.
        is_new: False where this very model was registered before.
        before: the version that the alias meant until now; None where it meant none, or this one.
    """

    name: str
    version: int
    is_new: bool
    before: int | None


def uri_of_model(store: Store, meant: Meant) -> str:
    """Returns the URI, `models:/m-...`, of the very model that is meant; of a run its latest.

    Raises:
        TrackingError: the run has logged none; the sentence says what to do.
    """
    model_id = meant.model_id or logged_model(store.client, meant.run_id)
    if model_id is not None:
        return f"{OF_MODELS}{model_id}"
    name = read_row(store, meant.run_id).name
    way = way_to_children(store, meant.run_id) or (
        "Train it anew with --log-model true, or use its weights with `cnnexp predict` and `cnnexp export`."
    )
    raise TrackingError(f"run {name} ({meant.run_id}) has no logged model. {way}")


def register_version(store: Store, meant: Meant, name: str, *, alias: str | None) -> Registered:
    """Gives a model a name in the registry of its store, and an alias to the version.

    Args:
        store: where the model is.
        meant: the model; of a run its latest.
        name: made where it is missing; a model that has it already keeps its version.
        alias: moved to this version; None moves none.

    Raises:
        TrackingError: the run has no logged model, or a name or alias cannot be.
    """
    _check(name, alias)
    uri = uri_of_model(store, meant)
    with tracking_errors(f"the model of run {meant.run_id!r} cannot be registered"):
        client = store.client
        models = client.search_registered_models(filter_string=f"name = '{name}'", max_results=1)
        model = models[0] if models else client.create_registered_model(name)
        versions = versions_of(client, name)
        same = next((one for one in versions if one.source == uri), None)
        with _default_store(store.uri):
            version = same or client.create_model_version(
                name, uri, meant.run_id, model_id=uri.removeprefix(OF_MODELS)
            )
        if alias is not None:
            client.set_registered_model_alias(name, alias, version.version)
    number = int(version.version)  # which comes as a text or a number
    before = int(model.aliases.get(alias, number))
    return Registered(name, number, is_new=same is None, before=before if before != number else None)


@contextmanager
def _default_store(uri: str) -> Iterator[None]:
    """MLflow's registry in a database looks for `models:/m-...` in the default store, and made one for it."""
    import mlflow

    was_set: bool = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
    before = mlflow.get_tracking_uri() if was_set else None
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None: the default


def _check(name: str, alias: str | None) -> None:
    if not _NAME.fullmatch(name):
        raise TrackingError(
            f"a model cannot be named {name!r}: leave out / : @ and quotes, and do not begin with m-."
        )
    if alias is not None and not _ALIAS.fullmatch(alias):
        raise TrackingError(
            f"--alias {alias!r}: use letters, digits, - and _; latest, v1, v2 and so on mean versions."
        )
