"""The same training with several algorithms of convolution: what differs is time, and rounding.

settings -> data once, networks with the same weights (all bad input is found here) -> a parent run
-> torch, torch from a start moved by one rounding, then each algorithm, a child run each -> compared
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from cnnexp.convolution import ALGORITHMS
from cnnexp.errors import Fault, ModelError, SettingsError, UnknownNameError, UserError
from cnnexp.experiment.assemble import Assembly, assemble
from cnnexp.experiment.convolutions import TORCH, has_convolutions
from cnnexp.experiment.entry import with_absolute_paths
from cnnexp.experiment.listener import Guarded, Listener
from cnnexp.experiment.race_report import ROUNDED, Entrant, RaceResult, record_race
from cnnexp.experiment.race_time import LONG_SECONDS, loop_training_seconds, spoken
from cnnexp.experiment.run import Experiment, closed_truthfully
from cnnexp.experiment.trial import LoadedSets
from cnnexp.plugins import load_plugin
from cnnexp.settings import Given, RaceSettings, from_environment, read_settings_file, resolve_as
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import PARENT, Store, open_store
from cnnexp.training.events import Outcome, Status
from cnnexp.training.interrupt import Interrupt

LOOP = "loop"
DEFAULT = (LOOP, "im2col", TORCH)
_WEIGHTS_SHOWN = 12  # characters of their digest


def race(
    algorithms: Sequence[str] = DEFAULT,
    *,
    config: str | Path | None = None,
    long: bool = False,
    listener: Listener | None = None,
    interrupt: Interrupt | None = None,
    **settings: object,
) -> RaceResult:
    """Trains one network once with each algorithm, from the same weights on the same batches.

    Args:
        algorithms: of ALGORITHMS; torch, which the others are compared with, is always there.
        config: YAML file of settings; keyword arguments win over it.
        long: go on though `loop` will take more than ten minutes.
        listener: hears of progress; by default nobody does.
        interrupt: asks for the end, where the caller listens to signals; else the race listens itself.
        **settings: any setting of a run by its name, but `conv`.

    Returns:
        What each has found, how long it took, and whether they agree to rounding.

    Raises:
        UserError: something cannot work as asked; no run is opened.
    """
    names = _checked(algorithms)
    resolved = _resolved(config, settings)
    listener = Guarded(listener or Listener())
    store = open_store(resolved.tracking.tracking_uri)
    for plugin in resolved.plugins.plugin:
        load_plugin(plugin)
    assemblies = _assemblies(names, resolved, listener)
    if LOOP in names:
        _tell_time(assemblies[LOOP], listener, long=long)
    with Interrupt() if interrupt is None else nullcontext(interrupt) as asks:
        return _Race(assemblies, store, listener, asks).run()


def _checked(algorithms: Sequence[str]) -> tuple[str, ...]:
    """Returns the algorithms in order of training: torch first, for the others are compared with it."""
    for name in algorithms:
        if name not in (TORCH, *ALGORITHMS):
            raise UnknownNameError("convolution algorithm", name, (TORCH, *ALGORITHMS))
    names = tuple(dict.fromkeys((TORCH, *algorithms)))
    if names == (TORCH,):
        raise UserError(
            f"torch does not race alone; give --algorithms one or more of {', '.join(ALGORITHMS)}."
        )
    return names


def _resolved(config: str | Path | None, settings: Mapping[str, object]) -> RaceSettings:
    given = {
        name: value if isinstance(value, Given) else Given(value, f"argument {name}")
        for name, value in settings.items()
    }
    from_file = read_settings_file(Path(config)) if config is not None else {}
    layers = (from_environment(), from_file, given)
    for layer in layers:
        if "conv" in layer:
            rule = "is what the race varies; give --algorithms in place of it."
            raise SettingsError([Fault("conv", layer["conv"].value, rule, layer["conv"].origin)])
    return with_absolute_paths(resolve_as(RaceSettings, *layers))


def _assemblies(names: Sequence[str], settings: RaceSettings, listener: Listener) -> dict[str, Assembly]:
    """Returns what each run is made of; one data set for all.

    Raises:
        UserError: an algorithm cannot compute a layer, the model has no convolution, or anything that a
            single run would be refused for.
    """
    sets = LoadedSets()
    made: dict[str, Assembly] = {}
    for name in (TORCH, ROUNDED, *names[1:]):
        conv = TORCH if name == ROUNDED else name
        # What the data set has to say is said once.
        hears = Listener() if made else listener
        made[name] = assemble(settings.replace(conv=conv), hears, load=sets.load)
    if not has_convolutions(made[TORCH].network):
        raise ModelError(
            f"model {settings.network.model!r} has no convolution to race with; choose another --model."
        )
    starts = {name: weights_digest(one.network) for name, one in made.items()}
    assert len(set(starts.values())) == 1, f"the runs would start from different weights: {starts}"
    move_by_one_rounding(made[ROUNDED].network, seed=settings.training.seed)
    return made


def weights_digest(network: nn.Module) -> str:
    """Returns a digest of all weights and buffers: equal ones are a proof that two runs start alike."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:_WEIGHTS_SHOWN]


def move_by_one_rounding(network: nn.Module, *, seed: int) -> None:
    """Moves every weight up or down by its last bit: how far rounding alone takes a training apart."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            signs = 2 * torch.randint(0, 2, weight.shape, generator=generator) - 1
            towards = signs.to(weight) * torch.inf
            weight.copy_(torch.nextafter(weight, towards))


def _tell_time(assembly: Assembly, listener: Listener, *, long: bool) -> None:
    seconds = loop_training_seconds(assembly)
    spec, epochs = assembly.dataset.spec, assembly.settings.training.epochs
    what = (
        f"loop will take about {spoken(seconds)} here: {epochs} epochs of {len(assembly.dataset.train):,} "
        f"training images, {spec}"
    )
    if seconds > LONG_SECONDS and not long:
        side = max(8, int(min(spec.height, spec.width) * (LONG_SECONDS / 4 / seconds) ** 0.5))
        raise UserError(
            f"{what}; say --yes to wait for it, leave loop out of --algorithms, or take less: --image-size "
            f"{side}, a smaller --fraction, or fewer --epochs."
        )
    listener.note(what)


class _Race:
    """The trainings, one after the other, each a child run of the race's own.

    Args:
        assemblies: label to what its run is made of; torch's comes first.
        store: MLflow.
        listener: hears of progress.
        interrupt: asks for an end.
    """

    def __init__(
        self,
        assemblies: Mapping[str, Assembly],
        store: Store,
        listener: Listener,
        interrupt: Interrupt,
    ) -> None:
        self.assemblies, self.store = assemblies, store
        self.listener, self.interrupt = listener, interrupt
        self.of_torch = assemblies[TORCH]
        self._torch_logits = first_logits(self.of_torch)

    def run(self) -> RaceResult:
        """Trains all, compares, records, closes."""
        tracking = self.of_torch.settings.tracking
        model = self.of_torch.settings.network.model
        parent = self.store.create_run(
            self.store.experiment_id(tracking.experiment),
            run_name=tracking.run_name or f"race-{model}-{time.strftime('%m%d-%H%M%S')}",
            tags={**tracking.tags, "kind": "race"},
            on_problem=self.listener.note,
        )
        with closed_truthfully(parent):
            entrants: list[Entrant] = []
            for label in self.assemblies:
                entrants.append(self._train(label, parent))
                if entrants[-1].outcome.status is Status.INTERRUPTED or self.interrupt.reason is not None:
                    break  # asked in its test or figures, too
            result = RaceResult(
                outcome=_outcome(entrants, self.interrupt.reason, asked=len(self.assemblies)),
                title=self.of_torch.title,
                entrants=tuple(entrants),
                settings=self.of_torch.settings,
                run_name=parent.name,
                run_id=parent.id,
                experiment_id=parent.experiment_id,
                tracking_uri=self.store.uri,
            )
            record_race(parent, result, self.of_torch)
            parent.finish(result.outcome)
        return result

    def _train(self, label: str, parent: Run) -> Entrant:
        assembly = self.assemblies[label]
        start = weights_digest(assembly.network)
        apart = (first_logits(assembly) - self._torch_logits).abs().max() / self._torch_logits.abs().max()
        run = self.store.create_run(
            parent.experiment_id,
            run_name=f"{parent.name}-{label}",
            tags={**assembly.settings.tracking.tags, PARENT: parent.id},
            on_problem=self.listener.note,
        )
        with closed_truthfully(run):
            run.log_params({"initial_weights": start})
            experiment = Experiment(self.store, run, assembly, self.listener, self.interrupt, ())
            found = experiment.conduct(resumed=False)
        return Entrant(label, found.history, found.outcome, run.id, start, logits=float(apart))


def first_logits(assembly: Assembly) -> Tensor:
    """Returns what a network makes of the first training images, float32 (N, K), in evaluation mode."""
    count = min(assembly.settings.optimization.batch_size, len(assembly.dataset.train))
    images = assembly.dataset.train.read(torch.arange(count)).to(assembly.compute.device)
    with torch.no_grad(), assembly.compute.autocast():
        logits: Tensor = assembly.network.eval()(assembly.normalize(images))
    return logits.float().cpu()


def _outcome(entrants: Sequence[Entrant], reason: str | None, *, asked: int) -> Outcome:
    last = entrants[-1].outcome
    if last.status is Status.INTERRUPTED:
        return Outcome(Status.INTERRUPTED, f"{last.reason}, in run {len(entrants)} of {asked}")
    if len(entrants) < asked:
        return Outcome(Status.INTERRUPTED, f"{reason}, after run {len(entrants)} of {asked}")
    failed = [one for one in entrants if one.outcome.status is Status.FAILED]
    if failed:
        return Outcome(Status.FAILED, f"{failed[0].label}: {failed[0].outcome.reason}")
    return Outcome(Status.COMPLETED, f"{asked} trainings from the same weights")
