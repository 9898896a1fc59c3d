"""The version of a registered model that a URI names; where there is none, what there is in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnexp.errors import TrackingError, did_you_mean

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

LATEST = "latest"
_LISTED = 10  # names, aliases or versions that a sentence can carry


def find_version(client: MlflowClient, uri: str, *, forms: str) -> ModelVersion:
    """Returns the version that is meant by `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `.../latest`.

    Args:
        client: the store.
        uri: one of these.
        forms: what a URI may look like, for who gives another.

    Raises:
        TrackingError: no such model, alias or version; it names those that there are, and how to make one.
    """
    text, _, version = uri.partition(":/")[2].strip("/").partition("/")
    name, at, alias = text.partition("@")
    model = _registered(client, name, uri)
    versions = {int(one.version): one for one in versions_of(client, name)}
    if at and not version and alias in model.aliases:
        return versions[int(model.aliases[alias])]
    if LATEST in (alias.lower(), version) and versions:
        return versions[max(versions)]
    if version.isdecimal() and int(version) in versions:
        return versions[int(version)]
    if at and not version:
        missing = f"{name} has no alias {alias!r}{did_you_mean(alias, model.aliases)}"
    elif version.isdecimal() or version == LATEST:
        missing = f"{name} has no version {version}."
    else:
        missing = f"give {forms}."
    raise TrackingError(
        f"no model {uri!r} in this store: {missing} Aliases of {name}: {_aliases(model)}; versions: "
        f"{_listed([str(one) for one in sorted(versions, reverse=True)])}. `cnnexp register RUN {name} "
        "--alias ALIAS` makes a version of a run's model, and an alias of it."
    )


def versions_of(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Returns all versions of a registered model, in no order."""
    quote = '"' if "'" in name else "'"
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = {quote}{name}{quote}", page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _registered(client: MlflowClient, name: str, uri: str) -> RegisteredModel:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    known = sorted(one.name for one in client.search_registered_models(max_results=1000))
    raise TrackingError(
        f"no model {uri!r} in this store: no model is registered as {name!r}{did_you_mean(name, known)} "
        f"Registered: {_listed(known)}. `cnnexp register RUN {name}` gives the model of a run that name."
    )


def _aliases(model: RegisteredModel) -> str:
    return _listed([f"{alias} (version {version})" for alias, version in sorted(model.aliases.items())])


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}" if names else "none"
