"""Configuration: what a run does, checked before anything starts."""

import importlib.util
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ...actors.job import LATENCY, Quantity, is_latency, target_of
from ...methods.measuring.target import Optimisation, Precision, Statistic
from ...search.constraint import Constraint
from ...search.goals import Goals
from ...search.objective import Objective
from .checked import Section, checked, read, require_at_most_all, require_folder_name

QUANTITIES = ("error", "latency_ms", "memory_bytes", "macs", "params")
OBJECTIVES = ("error", "latency_ms", "memory_bytes")
CriterionName = Literal["l2", "l1", "fpgm", "bn_scale", "taylor", "random"]


class Training(Section):
    """How a network that comes without weights is trained first."""

    epochs: Annotated[int, Field(ge=1)] = 25
    seed: Annotated[int, Field(ge=0)] = 0


class Network(Section):
    """The dense network: a factory by import path, and its weights or how to train them."""

    factory: str = "secateur.methods.networks:digits_resnet"
    arguments: dict[str, Any] = Field(default_factory=dict)
    weights: str | None = None
    training: Training = Training()


class Data(Section):
    """The data set by name or import path, and how many training images recalibrate BatchNorm."""

    name: str = "digits"
    root: str | None = None
    recalibration_images: Annotated[int, Field(ge=1)] = 1000


def run_that_learned(criterion: object) -> Path | None:
    """Return the folder of the run that has learned a criterion, where it is called clad:RUN."""
    if isinstance(criterion, str) and criterion.startswith("clad:") and criterion != "clad:":
        return Path(criterion.removeprefix("clad:")).expanduser().absolute()
    return None


class Pruning(Section):
    """Which channels may go: the criterion, the grid of widths, the layers left alone.

    A list of criteria makes the criterion of every group a gene of its own: the search chooses.
    Scope `inner` spares channels that several layers add up (residual streams), `coupled` cuts
    them as well. The criterion that a `secateur train clad` has learned is clad:RUN.
    """

    criterion: str | list[str] = "l2"
    scope: Literal["inner", "coupled"] = "inner"
    round_to: Annotated[int, Field(ge=1)] = 4
    minimum: Annotated[int, Field(ge=1)] = 4
    ignore: list[str] = Field(default_factory=list)

    @field_validator("criterion", mode="before")
    @classmethod
    def _criteria_exist(cls, value: object) -> object:
        names = typing.get_args(CriterionName)
        given = value if isinstance(value, list) else [value]
        known = [name in names or run_that_learned(name) is not None for name in given]
        if not given or len(set(map(str, given))) < len(given) or not all(known):
            raise ValueError(
                f"should be {', '.join(names)}, clad:RUN, or a list of different ones, "
                f"got {value!r}"
            )
        return value

    @property
    def criteria(self) -> tuple[str, ...]:
        """The criteria that a group's channels may be ranked by."""
        return (self.criterion,) if isinstance(self.criterion, str) else tuple(self.criterion)


class Latency(Section):
    """A target, and how latency is measured on it in ONNX Runtime; see `docs/profiling.md`.

    `provider` is ONNX Runtime's (cpu, cuda, tensorrt, openvino, ...), `precision` that of the
    network's numbers. At least `seconds` are spent on each network, then as many as it takes until
    the 95 % interval is narrower than `interval` of the value, up to `patience` times `seconds`;
    `wander` is added to it, what a ratio moves by from one minute to the next.
    `profiler` names the node that measures, if it is not that of `workers`.
    """

    provider: str = "cpu"
    threads: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=1)] = 1
    precision: Precision = "fp32"
    optimisation: Optimisation = "all"
    statistic: Statistic = "median"
    seconds: Annotated[float, Field(gt=0)] = 0.3
    interval: Annotated[float, Field(gt=0)] = 0.03
    patience: Annotated[float, Field(ge=1)] = 10.0
    wander: Annotated[float, Field(ge=0)] = 0.025
    profiler: str | None = None


class Hamp(Section):
    """HAMP's own settings.

    `selection` is what survives by: `portfolio` (investments), `operators` (a portfolio of
    selection operators) or `nsga2`.
    """

    selection: Literal["portfolio", "operators", "nsga2"] = "portfolio"
    local_search: Annotated[float, Field(ge=0, le=1)] = 0.75
    trust: Annotated[float, Field(ge=-1, le=1)] = 0.3


class Fidelity(Section):
    """Fewer images first, where `images` is given: the first so many of the search split.

    All images are for candidates that are non-dominated with at least the probability `promotion`.
    Where `predicted` is given, so are measurements of latencies, unless these can be predicted
    within that share of their value, 95 % of the time: then the prediction stands for a measurement
    until the search ends. What is on the front then, or handed out (`search.final`), is measured.
    Where `epochs` is given, the front is fine-tuned for so many at the end of the search, otherwise
    as `finetune` says, and the networks to hand out are chosen from what comes of it.
    """

    images: Annotated[int, Field(ge=10)] | None = None
    epochs: Annotated[int, Field(ge=1)] | None = None
    predicted: Annotated[float, Field(ge=0, le=1)] | None = None
    promotion: Annotated[float, Field(ge=0, le=1)] = 0.1


class Search(Section):
    """The algorithm and its budget; a network with an error above `worst_error` is of no use.

    The search ends after so many evaluations or hours, or when the hypervolume has stood still for
    `patience` evaluations.
    `final` tells which networks are measured on the final split at the end, beside the dense one:
    the whole front, or only those that are handed out. `warm_start` names an earlier run whose
    measurements are taken over. With `ties`, latencies whose intervals overlap count as equal on
    the front.
    """

    algorithm: Literal["hamp", "nsga2", "optuna-nsga2", "netadapt", "uniform", "random"] = "hamp"
    evaluations: Annotated[int, Field(ge=1)] = 200
    hours: Annotated[float, Field(gt=0)] | None = None
    patience: Annotated[int, Field(ge=1)] | None = None
    population: Annotated[int, Field(ge=2)] = 20
    window: Annotated[int, Field(ge=1)] = 6
    seed: Annotated[int, Field(ge=0)] = 0
    worst_error: Annotated[float, Field(gt=0)] = 0.5
    final: Literal["front", "picks"] = "front"
    ties: bool = True
    warm_start: str | None = None
    hamp: Hamp = Hamp()
    fidelity: Fidelity = Fidelity()


class Workers(Section):
    """Who measures: `evaluators: auto` takes every core that the profiler leaves.

    On a cluster that is as many as its nodes have room for, whoever joins or leaves. `gpus` is what
    each evaluator gets of one; `profiler` names the node that measures latencies, which joined by
    `ray start --resources='{"profiler:NAME": 1}'`.
    """

    evaluators: int | Literal["auto"] = "auto"
    threads: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0.0
    profiler: str | None = None
    lease_seconds: Annotated[float, Field(gt=0)] = 600.0

    @field_validator("evaluators", mode="before")
    @classmethod
    def _evaluators_exist(cls, value: object) -> object:
        if value != "auto" and (type(value) is not int or value < 1):
            raise ValueError(f"should be auto or at least 1, got {value!r}")
        return value


class Finetune(Section):
    """How `secateur finetune` trains a network further; see `methods/training/finetune.py`.

    `distillation` is the dense network's share of the loss, `attention` the weight of looking where
    it looks; `mirror` flips images, which suits photographs and not digits; `mixup` mixes pairs, by
    shares from Beta(mixup, mixup), which spares long trainings overfitting. `precision: bf16` is
    faster where the processor has such units. A worker computes on `threads` threads; `auto` shares
    the cores of this machine or cluster. A job that cannot have all its `workers` begins and goes
    on with `least_workers`.
    """

    epochs: Annotated[int, Field(ge=1)] = 10
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    batch: Annotated[int, Field(ge=2)] = 128
    distillation: Annotated[float, Field(ge=0, le=1)] = 0.9
    temperature: Annotated[float, Field(gt=0)] = 4.0
    attention: Annotated[float, Field(ge=0)] = 0.0
    mirror: bool = False
    mixup: Annotated[float, Field(ge=0)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    workers: Annotated[int, Field(ge=1)] = 1
    least_workers: Annotated[int, Field(ge=1)] | None = None
    threads: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    gpu: bool = False

    @model_validator(mode="after")
    def _least_is_at_most_all(self) -> "Finetune":
        require_at_most_all(self.least_workers, self.workers)
        return self


class Clad(Section):
    """How CLAD learns what to prune; see `methods/clad/learning.py`.

    `target` is the share of the dense network's multiply-adds that is to be left, `least` the share
    of its channels that every group keeps at least. `teacher` names another network than the dense
    one (an exported folder, cifar10:resnet56). `attention`, `polarisation` and `macs` weigh the
    terms of the loss. Batch, mirror, seed and workers are those of `finetune`, by which what is
    left is trained further, with the weight `attention` of looking where the teacher looks.
    """

    target: Annotated[float, Field(gt=0, lt=1)] = 0.5
    epochs: Annotated[int, Field(ge=1)] = 20
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    learner: Literal["raw", "statistics", "logits"] = "raw"
    learner_rate: Annotated[float, Field(gt=0)] = 0.003
    hidden: Annotated[int, Field(ge=1)] = 32
    through: bool = False
    decision: Literal["straight-through", "anneal", "none"] = "straight-through"
    attention: Annotated[float, Field(ge=0)] = 1000.0
    polarisation: Annotated[float, Field(ge=0)] = 2.0
    macs: Annotated[float, Field(gt=0)] = 50.0
    least: Annotated[float, Field(ge=0, le=1)] = 0.1
    teacher: str | None = None


class Config(Section):
    """A whole run. An empty file is the demo: scikit-learn's digits.

    Each of the `targets` has a latency of its own, the objective latency_ms@NAME, and what it does
    not say is as `latency` has it.
    """

    name: str = "digits"
    network: Network = Network()
    data: Data = Data()
    pruning: Pruning = Pruning()
    objectives: list[str] = Field(default_factory=lambda: list(OBJECTIVES))
    constraints: list[str] = Field(default_factory=list)
    latency: Latency = Latency()
    targets: dict[str, Latency] = Field(default_factory=dict)
    search: Search = Search()
    workers: Workers = Workers()
    finetune: Finetune = Finetune()
    clad: Clad = Clad()

    @model_validator(mode="before")
    @classmethod
    def _targets_are_like_latency(cls, values: Any) -> Any:
        """Let every target have what it does not say from `latency`."""
        if not isinstance(values, dict) or not isinstance(values.get("targets"), dict):
            return values
        common = values.get("latency") or {}
        if not isinstance(common, dict):
            return values
        targets = {
            name: {**common, **(own or {})} if isinstance(own, dict | None) else own
            for name, own in values["targets"].items()
        }
        return {**values, "targets": targets}

    @field_validator("objectives")
    @classmethod
    def _objectives_make_a_front(cls, names: list[str]) -> list[str]:
        if "error" not in names or len(names) < 2 or len(set(names)) != len(names):
            raise ValueError("must hold error and at least one other objective, each once")
        return ["error", *(name for name in names if name != "error")]

    @model_validator(mode="after")
    def _quantities_exist(self) -> "Config":
        known = [*QUANTITIES, *(f"{LATENCY}@{name}" for name in self.targets)]
        for name in self.objectives:
            if name not in known:
                raise ValueError(f"objectives must be of {', '.join(known)}, got {name!r}")
        for text in self.constraints:
            if Constraint.parse(text).quantity not in known:
                raise ValueError(f"constraints: {text!r} must bound one of {', '.join(known)}")
        return self

    @property
    def goals(self) -> Goals:
        """Objectives and constraints; all but the error count relative to the dense network."""
        return Goals(
            tuple(Objective(name, relative=name != "error") for name in self.objectives),
            tuple(map(Constraint.parse, self.constraints)),
        )

    @property
    def quantities(self) -> tuple[str, ...]:
        """What is measured or counted of every network: objectives, and what is only bounded."""
        return self.goals.quantities

    @property
    def latencies(self) -> dict[Quantity, Latency]:
        """How each latency among the quantities is measured."""
        return {name: self.timing(name) for name in self.quantities if is_latency(name)}

    def timing(self, quantity: Quantity) -> Latency:
        """How a latency is measured."""
        return self.targets[target_of(quantity)] if target_of(quantity) else self.latency

    def node_of(self, quantity: Quantity) -> str | None:
        """The node that measures a quantity, if it is another one than `workers` names."""
        node = self.timing(quantity).profiler if is_latency(quantity) else None
        return None if node == self.workers.profiler else node

    @model_validator(mode="after")
    def _algorithm_can_do_it(self) -> "Config":
        algorithm = self.search.algorithm
        if self.constraints and algorithm not in ("hamp", "nsga2"):
            raise ValueError(f"constraints are kept by hamp and nsga2, not by {algorithm}")
        if self.search.warm_start and algorithm != "hamp":
            raise ValueError(f"search.warm_start is for hamp, not for {algorithm}")
        if algorithm == "optuna-nsga2" and importlib.util.find_spec("optuna") is None:
            raise ValueError("search.algorithm: optuna-nsga2 needs Optuna: pip install optuna")
        return self

    @model_validator(mode="after")
    def _name_is_a_folder(self) -> "Config":
        require_folder_name(self.name)
        return self


def read_config(path: Path | None, overrides: dict[str, Any]) -> Config:
    """Read a YAML file (None: the demo) and put `key.path: value` overrides over it."""
    return check_config(read(path, overrides), source=str(path or "the embedded configuration"))


def check_config(values: dict[str, Any], *, source: str) -> Config:
    """Check plain values; a ConfigError names the first problem."""
    return checked(Config, values, source=source)


def with_absolute_paths(config: Config) -> Config:
    """Let a resume from another folder find the same data, earlier runs and teacher."""
    root, source, teacher = config.data.root, config.search.warm_start, config.clad.teacher
    criteria = [
        name if (run := run_that_learned(name)) is None else f"clad:{run}"
        for name in config.pruning.criteria
    ]
    several = isinstance(config.pruning.criterion, list)
    absolute = {
        "pruning": {"criterion": criteria if several else criteria[0]},
        "data": {"root": root and str(Path(root).expanduser().absolute())},
        "search": {"warm_start": source and str(Path(source).expanduser().absolute())},
        "clad": {"teacher": teacher and (_folder(teacher) or teacher)},
    }
    return config.model_copy(
        update={
            section: getattr(config, section).model_copy(update=changes)
            for section, changes in absolute.items()
        }
    )


def _folder(model: str) -> str | None:
    """The exported folder that a model's name stands for, where it is one."""
    path = Path(model).expanduser()
    return str(path.absolute()) if path.is_dir() else None
