"""Samplers: Optuna's, seeded by (study seed, place in the study), and never twice the same candidate."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cnnexp.tuning.ledger import Ledger, is_void
from cnnexp.tuning.ranges import distribution
from cnnexp.tuning.space import Key, Params, Space, candidate_key
from cnnexp.tuning.storage import StudyError

ATTEMPTS = (
    20  # proposals before chance takes over; TPE repeats itself 7 to 12 times in 40 on a discrete space
)
RANDOM_ATTEMPTS = 200
SMALL_SPACE = 10_000  # cells that can be walked through
STARTUP_TRIALS = 10
Factory = Callable[[int], BaseSampler]


class SeededSampler(BaseSampler):
    """Asks a fresh sampler of the wanted kind for each trial.

    The seed is a function of the study's seed and the trial's place, so that a study that was stopped and
    goes on proposes what it would have proposed, and two workers never draw the same numbers.

    Args:
        make: makes a sampler from a seed.
        space: all dimensions are known beforehand.
        ledger: of the study; tells the place of a trial and what was tried.
        seed: of the study.
    """

    def __init__(self, make: Factory, space: Space, ledger: Ledger, seed: int) -> None:
        self._make, self._space, self._ledger, self._seed = make, space, ledger, seed
        self._distributions = {one.name: distribution(one.range) for one in space.dimensions}

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002 - Optuna's signature
        trial: FrozenTrial,
    ) -> dict[str, BaseDistribution]:
        """Returns the whole space; nothing where the candidate is given."""
        return {} if "fixed_params" in trial.system_attrs else self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns a candidate that nobody has tried, if there is one."""
        if not search_space:
            return {}
        place, tried = self._ledger.place_of(trial), self._tried(trial)
        params: dict[str, Any] = {}
        for attempt in range(ATTEMPTS + RANDOM_ATTEMPTS):
            seed = derived_seed(self._seed, place, attempt)
            inner = self._make(seed) if attempt < ATTEMPTS else optuna.samplers.RandomSampler(seed=seed)
            params = self._proposal(inner, study, trial)
            if candidate_key(self._space.active(params)) not in tried:
                return params
        return self._left_over(tried) or params  # the latter: the trial takes over an earlier result

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's signature
        """Returns one value, for what a given candidate leaves open."""
        seed = derived_seed(self._seed, self._ledger.place_of(trial), 0)
        inner = optuna.samplers.RandomSampler(seed=seed)
        return inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Hands on: some samplers note what they learn with the trial."""
        self._make(derived_seed(self._seed, self._ledger.place_of(trial), 0)).after_trial(
            study, trial, state, values
        )

    def reseed_rng(self) -> None:
        """Nothing to do: there is no state."""

    def _proposal(self, inner: BaseSampler, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        relative = inner.infer_relative_search_space(study, trial)
        params = inner.sample_relative(study, trial, relative)
        for name, one in self._distributions.items():
            if name not in params:
                params[name] = inner.sample_independent(study, trial, name, one)
        return params

    def _tried(self, trial: FrozenTrial) -> set[Key]:
        others = (one for one in self._ledger.trials() if one.number != trial.number and not is_void(one))
        return {candidate_key(one.params or one.system_attrs.get("fixed_params", {})) for one in others}

    def _left_over(self, tried: Container[Key]) -> Params | None:
        """Returns a cell of a small space that is still untried: chance finds the last ones late."""
        if self._space.num_cells() > SMALL_SPACE:
            return None
        return next((cell for cell in self._space.cells() if candidate_key(cell) not in tried), None)


def sampler_factory(name: str, *, num_objectives: int = 1) -> Factory:
    """Returns what makes a sampler of that name from a seed.

    Raises:
        StudyError: the sampler needs a package that is missing, or cannot take several objectives.
    """
    if name == "cmaes" and importlib.util.find_spec("cmaes") is None:
        raise StudyError(
            "sampler 'cmaes' needs a package: pip install 'cnnexp[cmaes]', or choose --sampler tpe."
        )
    if name in ("cmaes", "gp") and num_objectives > 1:
        raise StudyError(
            f"sampler {name!r} is for one objective; with {num_objectives} choose tpe, nsga2, random or qmc."
        )
    samplers: dict[str, Factory] = {
        "tpe": lambda seed: optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, n_startup_trials=STARTUP_TRIALS
        ),
        "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
        "gp": lambda seed: optuna.samplers.GPSampler(seed=seed, n_startup_trials=STARTUP_TRIALS),
        "qmc": lambda seed: optuna.samplers.QMCSampler(seed=seed, warn_independent_sampling=False),
        "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
        "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=STARTUP_TRIALS),
        "grid": lambda seed: optuna.samplers.RandomSampler(seed=seed),  # its cells are queued one by one
    }

    def make(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return samplers[name](seed)

    return make


def derived_seed(*numbers: int) -> int:
    """Returns a seed of 32 bits that is a function of all the numbers."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1)[0])
