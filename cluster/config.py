"""Configuration: what a run does, checked before anything starts."""

import difflib
import importlib.util
import re
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..search.constraint import Constraint
from ..search.goals import Goals
from ..search.objective import Objective

ObjectiveName = Literal["error", "latency_ms", "memory_bytes", "macs", "params"]
CriterionName = Literal["l2", "l1", "fpgm", "bn_scale", "taylor", "random"]


class ConfigError(ValueError):
    """The configuration is wrong: the message names the key, what was expected and what came."""


class _Yaml(yaml.SafeLoader):
    """Plain values, and 1e-3 is a number, which YAML 1.1 takes for a text."""


class _WrittenYaml(yaml.SafeDumper):
    """Texts that would be read as numbers are quoted."""


for _side in (_Yaml, _WrittenYaml):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Training(_Section):
    """How a network that comes without weights is trained first."""

    epochs: Annotated[int, Field(ge=1)] = 25
    seed: Annotated[int, Field(ge=0)] = 0


class Network(_Section):
    """The dense network: a factory by import path, and its weights or how to train them."""

    factory: str = "secateur.methods.networks:digits_resnet"
    arguments: dict[str, Any] = {}
    weights: str | None = None
    training: Training = Training()


class Data(_Section):
    """The data set by name or import path, and how many training images recalibrate BatchNorm."""

    name: str = "digits"
    root: str | None = None
    recalibration_images: Annotated[int, Field(ge=1)] = 1000


def run_that_learned(criterion: object) -> Path | None:
    """Return the folder of the run that has learned a criterion, where it is called clad:RUN."""
    if isinstance(criterion, str) and criterion.startswith("clad:") and criterion != "clad:":
        return Path(criterion.removeprefix("clad:")).expanduser().absolute()
    return None


class Pruning(_Section):
    """Which channels may go: the criterion, the grid of widths, the layers left alone.

    A list of criteria makes the criterion of every group a gene of its own: the search chooses.
    Scope `inner` spares channels that several layers add up (residual streams), `coupled` cuts
    them as well. The criterion that a `secateur train clad` has learned is clad:RUN.
    """

    criterion: str | list[str] = "l2"
    scope: Literal["inner", "coupled"] = "inner"
    round_to: Annotated[int, Field(ge=1)] = 4
    minimum: Annotated[int, Field(ge=1)] = 4
    ignore: list[str] = []

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


class Latency(_Section):
    """How latency is measured in ONNX Runtime."""

    threads: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=1)] = 1
    seconds: Annotated[float, Field(gt=0)] = 0.3
    precision: Annotated[float, Field(gt=0)] = 0.03


class Hamp(_Section):
    """HAMP's own settings.

    `selection` is what survives by: `portfolio` (investments), `operators` (a portfolio of
    selection operators) or `nsga2`.
    """

    selection: Literal["portfolio", "operators", "nsga2"] = "portfolio"
    local_search: Annotated[float, Field(ge=0, le=1)] = 0.75
    trust: Annotated[float, Field(ge=-1, le=1)] = 0.3


class Fidelity(_Section):
    """Fewer images first, where `images` is given: the first so many of the search split.

    All images are for candidates that are non-dominated with at least the probability `promotion`.
    Where `epochs` is given, the front is fine-tuned for so many at the end of the search, otherwise
    as `finetune` says, and the networks to hand out are chosen from what comes of it.
    """

    images: Annotated[int, Field(ge=10)] | None = None
    epochs: Annotated[int, Field(ge=1)] | None = None
    promotion: Annotated[float, Field(ge=0, le=1)] = 0.1


class Search(_Section):
    """The algorithm and its budget; a network with an error above `worst_error` is of no use.

    The search ends after so many evaluations or hours, or when the hypervolume has stood still for
    `patience` evaluations.
    `final` tells which networks are measured on the final split at the end, beside the dense one:
    the whole front, or only those that are handed out. `warm_start` names an earlier run whose
    measurements are taken over.
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
    warm_start: str | None = None
    hamp: Hamp = Hamp()
    fidelity: Fidelity = Fidelity()


class Workers(_Section):
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


class Finetune(_Section):
    """How `secateur finetune` trains a network further; see `methods/finetune.py`.

    `distillation` is the dense network's share of the loss, `attention` the weight of looking where
    it looks; `mirror` flips images, which suits photographs and not digits. `precision: bf16` is
    faster where the processor has such units. A worker computes on `threads` threads; `auto` shares
    the cores. A job that cannot have all its `workers` begins and goes on with `least_workers`.
    """

    epochs: Annotated[int, Field(ge=1)] = 10
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    batch: Annotated[int, Field(ge=2)] = 128
    distillation: Annotated[float, Field(ge=0, le=1)] = 0.9
    temperature: Annotated[float, Field(gt=0)] = 4.0
    attention: Annotated[float, Field(ge=0)] = 0.0
    mirror: bool = False
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    workers: Annotated[int, Field(ge=1)] = 1
    least_workers: Annotated[int, Field(ge=1)] | None = None
    threads: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    gpu: bool = False

    @model_validator(mode="after")
    def _least_is_at_most_all(self) -> "Finetune":
        if self.least_workers is not None and self.least_workers > self.workers:
            raise ValueError(
                f"least_workers must be at most workers, {self.workers}, got {self.least_workers}"
            )
        return self


class Clad(_Section):
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


class Config(_Section):
    """A whole run. An empty file is the demo: scikit-learn's digits."""

    name: str = "digits"
    network: Network = Network()
    data: Data = Data()
    pruning: Pruning = Pruning()
    objectives: list[ObjectiveName] = ["error", "latency_ms", "memory_bytes"]
    constraints: list[str] = []
    latency: Latency = Latency()
    search: Search = Search()
    workers: Workers = Workers()
    finetune: Finetune = Finetune()
    clad: Clad = Clad()

    @field_validator("objectives")
    @classmethod
    def _objectives_make_a_front(cls, names: list[ObjectiveName]) -> list[ObjectiveName]:
        if "error" not in names or len(names) < 2 or len(set(names)) != len(names):
            raise ValueError("must hold error and at least one other objective, each once")
        return ["error", *(name for name in names if name != "error")]

    @field_validator("constraints")
    @classmethod
    def _constraints_speak_of_quantities(cls, texts: list[str]) -> list[str]:
        known = typing.get_args(ObjectiveName)
        for text in texts:
            if Constraint.parse(text).quantity not in known:
                raise ValueError(f"{text!r} must bound one of {', '.join(known)}")
        return texts

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
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise ValueError(f"name must do as the name of a folder, got {self.name!r}")
        return self

    def as_yaml(self) -> str:
        """The configuration as a file that gives the same one back."""
        return yaml.dump(self.model_dump(mode="json"), Dumper=_WrittenYaml, sort_keys=False)


def read_config(path: Path | None, overrides: dict[str, Any]) -> Config:
    """Read a YAML file (None: the demo) and put `key.path: value` overrides over it."""
    values = _read_yaml(path) if path else {}
    for key, value in overrides.items():
        _put(values, key, value)
    return check_config(values, source=str(path or "the embedded configuration"))


def parse_override(text: str) -> tuple[str, Any]:
    """Split `key.path=value`; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ConfigError(f"--set expects key.path=value, got {text!r}")
    try:
        return key, yaml.load(value, _Yaml)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {key}: {value!r} is no YAML value") from error


def check_config(values: dict[str, Any], *, source: str) -> Config:
    """Check plain values; every problem is named with its path, the first one in the error."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = [_problem(entry) for entry in error.errors()]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{source}: {problems[0]}{more}") from error


def with_absolute_paths(config: Config) -> Config:
    """Let a resume from another folder find the same data and the same earlier runs."""
    root, source = config.data.root, config.search.warm_start
    criteria = [
        name if (run := run_that_learned(name)) is None else f"clad:{run}"
        for name in config.pruning.criteria
    ]
    several = isinstance(config.pruning.criterion, list)
    absolute = {
        "pruning": {"criterion": criteria if several else criteria[0]},
        "data": {"root": root and str(Path(root).expanduser().absolute())},
        "search": {"warm_start": source and str(Path(source).expanduser().absolute())},
    }
    return config.model_copy(
        update={
            section: getattr(config, section).model_copy(update=changes)
            for section, changes in absolute.items()
        }
    )


def require_same(config: Config, known: Config, run: Path) -> None:
    """Refuse a configuration that is not the one that a run was launched with."""
    if found := _first_difference(with_absolute_paths(config), known):
        key, asked, held = found
        raise ValueError(
            f"{run} holds a run with {key} {held!r}, not {asked!r}: choose another --run, or give "
            f"the same configuration again"
        )


def _first_difference(one: BaseModel, other: BaseModel) -> tuple[str, Any, Any] | None:
    """The first key path at which two configurations differ, and what each has there."""
    for name in type(one).model_fields:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, BaseModel):
            if found := _first_difference(mine, theirs):
                return f"{name}.{found[0]}", *found[1:]
        elif mine != theirs:
            return name, mine, theirs
    return None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(), _Yaml)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text file"
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "bad syntax"
        raise ConfigError(f"{path} is no YAML{where}: {what}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, got {type(values).__name__}")
    return values


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{key}: {section} holds a value, not keys")
    values[last] = value


def _problem(entry: Any) -> str:
    path = [str(part) for part in entry["loc"]]
    where = ".".join(path) or "the file"
    if entry["type"] == "extra_forbidden":
        valid = _keys_at(path[:-1])
        near = difflib.get_close_matches(path[-1], valid, n=1)
        hint = f"did you mean {near[0]}?" if near else f"valid keys are {', '.join(valid)}"
        return f"unknown key {where}: {hint}"
    message = entry["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "should be")
    return f"{where}: {message}" + (
        "" if entry["type"] == "value_error" else f", got {entry['input']!r}"
    )


def _keys_at(path: list[str]) -> list[str]:
    section: type[BaseModel] = Config
    for key in path:
        annotation = section.model_fields[key].annotation
        if typing.get_origin(annotation) in (typing.Union, types.UnionType):
            break
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        section = annotation
    return list(section.model_fields)
