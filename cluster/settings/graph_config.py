"""Configuration of a training on graphs: what ICPG does, checked before anything starts."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from .checked import Section, checked, read, require_at_most_all, require_folder_name

VariantName = Literal["icpg", "random", "weights", "edges", "ugs", "transfer"]
ConvolutionName = Literal["gcn", "gin", "gat", "mlp"]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]


class GraphData(Section):
    """The data set by name or import path; see `methods/icpg/sources.py`."""

    name: str = "MUTAG"
    root: str | None = None


class GraphNetwork(Section):
    """The graph network: one of ours, or any by import path.

    A `factory` is called with `ins` and `classes`, how many features and classes there are, and
    with `arguments`; where these name the words ins and classes as values, with them alone:
    `{in_channels: ins, hidden_channels: 64, num_layers: 3, out_channels: classes}`. What is left
    out is what the authors have for graphs, or for nodes.
    """

    factory: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    kind: Literal["gcn", "gin", "gat"] = "gcn"
    hidden: Count | None = None
    layers: Count | None = None
    heads: Count | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None


class MaskerSettings(Section):
    """What scores edges; `reading` makes a score of the embeddings of both ends."""

    kind: ConvolutionName = "gcn"
    hidden: Count | None = None
    layers: Count | None = None
    heads: Count = 1
    reading: Literal["concat", "inner"] = "concat"
    learning_rate: Rate | None = None


class Icpg(Section):
    """The lottery: what each round removes, how tickets are chosen, and what they compete with.

    `folds` cut the graphs, of which the first `use` are run; node tasks have a published split.
    The variant `transfer` removes the edges that the maskers of another run choose, `maskers_of`.
    """

    rounds: Count = 12
    edges: Share = 0.05
    weights: Share = 0.2
    rule: Literal["nominal", "floor"] = "nominal"
    pairing: Literal["directed", "symmetric"] = "directed"
    selection: Literal["honest", "paper"] = "honest"
    variants: list[VariantName] = Field(default_factory=lambda: list(VARIANTS))
    folds: Annotated[int, Field(ge=3)] = 10
    use: Count | None = None
    seeds: list[Annotated[int, Field(ge=0)]] = Field(default_factory=lambda: [0])
    maskers_of: str | None = None

    @field_validator("variants", "seeds")
    @classmethod
    def _each_once(cls, given: list[Any]) -> list[Any]:
        if not given or len(set(given)) < len(given):
            raise ValueError(f"must hold at least one, and each once, got {given!r}")
        return given

    @model_validator(mode="after")
    def _use_what_there_is(self) -> "Icpg":
        if self.use is not None and self.use > self.folds:
            raise ValueError(f"use must be at most folds, {self.folds}, got {self.use}")
        if ("transfer" in self.variants) != (self.maskers_of is not None):
            raise ValueError("the variant transfer and maskers_of belong together")
        return self


VARIANTS: tuple[VariantName, ...] = ("icpg", "random")


class GraphTraining(Section):
    """How networks are trained, and where; a worker takes one fold and variant after the other.

    What is left out is what the authors have for graphs, or for nodes. `workers: auto` is one for
    every core of this machine or cluster, or for every `threads`. A job that cannot have all its
    workers begins and goes on with `least_workers`.
    """

    epochs: Count | None = None
    batch: Annotated[int, Field(ge=2)] = 128
    learning_rate: Rate | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    workers: Count | Literal["auto"] = "auto"
    least_workers: Count | None = None
    threads: Count = 1

    @model_validator(mode="after")
    def _least_is_at_most_all(self) -> "GraphTraining":
        require_at_most_all(self.least_workers, self.workers)
        return self


class LotterySearch(Section):
    """Searches what each round removes; see `cluster/lottery/lottery_search.py`.

    `window` candidates at a time are bred from the same state, whatever the number of workers.
    """

    algorithm: Literal["hamp", "nsga2", "random"] = "hamp"
    evaluations: Count = 24
    population: Annotated[int, Field(ge=2)] = 8
    window: Count = 4
    worst_error: Annotated[float, Field(gt=0, le=1)] = 0.5
    seed: Annotated[int, Field(ge=0)] = 0


class GraphConfig(Section):
    """Everything a training on graphs needs.

    With `search`, a search finds what each of `icpg.rounds` removes; otherwise `icpg` says it.
    """

    name: str = "icpg"
    data: GraphData = GraphData()
    network: GraphNetwork = GraphNetwork()
    masker: MaskerSettings = MaskerSettings()
    icpg: Icpg = Icpg()
    training: GraphTraining = GraphTraining()
    search: LotterySearch | None = None

    @model_validator(mode="after")
    def _name_is_a_folder(self) -> "GraphConfig":
        require_folder_name(self.name)
        return self


AUTHORS: dict[str, dict[str, dict[str, Any]]] = {
    "graph": {
        "network": {"hidden": 128, "layers": 3, "heads": 4},
        "masker": {"hidden": 64, "layers": 3, "learning_rate": 1e-4},
        "training": {"epochs": 100, "learning_rate": 1e-3, "weight_decay": 0.0},
    },
    "node": {
        "network": {"hidden": 512, "layers": 2, "heads": 8, "dropout": 0.5},
        "masker": {"hidden": 512, "layers": 2, "learning_rate": 0.1},
        "training": {"epochs": 200, "learning_rate": 0.01, "weight_decay": 5e-4},
    },
}
"""The authors' settings, by what is classified."""


def settled(config: GraphConfig, level: str, *, published: bool = False) -> GraphConfig:
    """Put the authors' settings where a configuration leaves them out.

    A `published` split is the only fold.
    """
    if published:
        config = config.model_copy(update={"icpg": config.icpg.model_copy(update={"use": 1})})
    sections = {}
    for name, settings in AUTHORS[level].items():
        section = getattr(config, name)
        missing = {key: value for key, value in settings.items() if getattr(section, key) is None}
        sections[name] = section.model_copy(update=missing)
    return config.model_copy(update=sections)


def read_graph_config(path: Path | None, overrides: dict[str, Any]) -> GraphConfig:
    """Read a YAML file (None: MUTAG) and put `key.path: value` overrides over it."""
    source = str(path or "the embedded configuration")
    return check_graph_config(read(path, overrides), source=source)


def check_graph_config(values: dict[str, Any], *, source: str) -> GraphConfig:
    """Check plain values; a ConfigError names the first problem."""
    return checked(GraphConfig, values, source=source)


def with_absolute_paths(config: GraphConfig) -> GraphConfig:
    """Let a resume from another folder find the same data and the same other run."""
    root, other = (
        given and str(Path(given).expanduser().absolute())
        for given in (config.data.root, config.icpg.maskers_of)
    )
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"root": root}),
            "icpg": config.icpg.model_copy(update={"maskers_of": other}),
        }
    )
