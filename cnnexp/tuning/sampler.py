"""Samplers: Optuna's, seeded by (study seed, place in the study), and never twice the same candidate."""

from __future__ import annotations

import copy
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, CmaEsSampler, QMCSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from cnnexp.tuning.ledger import Ledger, is_void, params_of
from cnnexp.tuning.ranges import distribution
from cnnexp.tuning.space import DEPTH, Key, Params, Space, candidate_key
from cnnexp.tuning.storage import StudyError

ATTEMPTS = 20  # proposals before chance takes over; TPE repeats 7 to 12 of 40 on a discrete space
RANDOM_ATTEMPTS = 200
SMALL_SPACE = 10_000  # cells that can be walked through
STARTUP_TRIALS = 10
DIGITS = 4  # of a proposed real number: 0.0004892, not 0.0004892487394342311
Distributions = dict[str, BaseDistribution]
Factory = Callable[[int, int, Distributions], BaseSampler]  # of a seed, a position, and the space


class SeededSampler(BaseSampler):
    """Asks a fresh sampler of the wanted kind for each trial.

    The seed is a function of the study's seed and the trial's place, so that a study that was stopped and
    goes on proposes what it would have proposed, and two workers never draw the same numbers.

    Args:
        make: makes a sampler for one proposal.
        space: all dimensions are known beforehand.
        ledger: of the study; tells the place of a trial and what was tried.
        seed: of the study.
        can_train: tells which candidates are worth a trial: too deep a network for small images is not.
    """

    def __init__(
        self,
        make: Factory,
        space: Space,
        ledger: Ledger,
        seed: int,
        *,
        can_train: Callable[[Params], bool] = lambda _: True,
    ) -> None:
        self._make, self._space, self._ledger, self._seed = make, space, ledger, seed
        self._can_train = can_train
        self._distributions = {one.name: distribution(one.range) for one in space.dimensions}

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002 - Optuna's signature
        trial: FrozenTrial,
    ) -> Distributions:
        """Returns the whole space; nothing where the candidate is given."""
        return {} if "fixed_params" in trial.system_attrs else self._distributions

    def sample_relative(
        self,
        study: Study,  # noqa: ARG002 - Hyperband gives a part of it; proposals are from all trials
        trial: FrozenTrial,
        search_space: Distributions,
    ) -> dict[str, Any]:
        """Returns a candidate that nobody has tried and that can be trained, if there is one."""
        if not search_space:
            return {}
        place, tried = self._ledger.place_of(trial), self._tried(trial)
        left = [cell for cell in self._cells if candidate_key(cell) not in tried]
        if self._cells and not left:
            return self._proposal(place, 0, trial)  # the trial takes over an earlier result
        for attempt in range(ATTEMPTS + RANDOM_ATTEMPTS):
            params = self._proposal(place, attempt, trial)
            active = self._space.active(params)
            if candidate_key(active) not in tried and self._can_train(active):
                return params
        # Chance finds the last cells late. Those that cannot be trained are pruned with the reason.
        return next(filter(self._can_train, left), left[0] if left else params)

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
        place = self._ledger.place_of(trial)
        inner = self._make(derived_seed(self._seed, place, 0), place, self._distributions)
        inner.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Nothing to do: there is no state."""

    @cached_property
    def _cells(self) -> list[Params]:
        """All candidates of a small space; none of a large or a continuous one."""
        return list(self._space.cells()) if self._space.num_cells() <= SMALL_SPACE else []

    def _proposal(self, place: int, attempt: int, trial: FrozenTrial) -> dict[str, Any]:
        seed, study = derived_seed(self._seed, place, attempt), self._ledger.study
        inner: BaseSampler = optuna.samplers.RandomSampler(seed=seed)
        if attempt < ATTEMPTS:
            inner = self._make(seed, place + attempt, self._distributions)
        if isinstance(inner, CmaEsSampler):  # draws by the number; void trials shift those of later ones
            trial = copy.copy(trial)
            trial.number = place
        relative = inner.infer_relative_search_space(study, trial)
        params = inner.sample_relative(study, trial, relative)
        for name, one in self._distributions.items():
            if name not in params:
                params[name] = inner.sample_independent(study, trial, name, one)
            if isinstance(one, FloatDistribution):  # more digits cost readers and gain nothing
                params[name] = min(max(float(f"{params[name]:.{DIGITS}g}"), one.low), one.high)
        return params

    def _tried(self, trial: FrozenTrial) -> set[Key]:
        others = (one for one in self._ledger.trials() if one.number != trial.number and not is_void(one))
        return {candidate_key(params_of(one)) for one in others}


class SobolSampler(QMCSampler):
    """Optuna's, but the position in the sequence is given, not counted in the storage.

    So a study that goes on is where it was, and a conditional space is filled as a whole.
    """

    def __init__(self, position: int, distributions: Distributions) -> None:
        super().__init__(warn_independent_sampling=False)
        self._position, self._distributions = position, distributions

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:  # noqa: ARG002
        """Returns the whole space, whatever the first trial had of it."""
        return self._distributions

    def _find_sample_id(self, study: Study, search_space: Distributions) -> int:  # noqa: ARG002
        return self._position


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
        "tpe": lambda seed, *_: optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, n_startup_trials=STARTUP_TRIALS
        ),
        "random": lambda seed, *_: optuna.samplers.RandomSampler(seed=seed),
        "gp": lambda seed, *_: optuna.samplers.GPSampler(seed=seed, n_startup_trials=STARTUP_TRIALS),
        "qmc": lambda _, position, distributions: SobolSampler(position, distributions),
        "cmaes": lambda seed, *_: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
        "nsga2": lambda seed, *_: optuna.samplers.NSGAIISampler(seed=seed, population_size=STARTUP_TRIALS),
        "grid": lambda seed, *_: optuna.samplers.RandomSampler(seed=seed),  # its cells are queued one by one
    }

    def make(seed: int, position: int, distributions: Distributions) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return samplers[name](seed, position, distributions)

    return make


def suggested(trial: Trial, space: Space) -> Params:
    """Returns the candidate that a trial is given, active dimensions only."""
    params: Params = {}
    for one in space.dimensions:
        if one.place > params.get(DEPTH, one.place):
            continue
        of_one = distribution(one.range)
        if isinstance(of_one, FloatDistribution):
            params[one.name] = trial.suggest_float(one.name, of_one.low, of_one.high, log=of_one.log)
        elif isinstance(of_one, CategoricalDistribution):
            params[one.name] = trial.suggest_categorical(one.name, of_one.choices)
        elif isinstance(of_one, IntDistribution):
            params[one.name] = trial.suggest_int(one.name, of_one.low, of_one.high, step=of_one.step)
    return params


def derived_seed(*numbers: int) -> int:
    """Returns a seed of 32 bits that is a function of all the numbers."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1)[0])
