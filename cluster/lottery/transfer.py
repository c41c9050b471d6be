"""Transfer: edges that the maskers of another run choose, for another network or other graphs."""

from pathlib import Path

from ...methods.icpg.masker import Masker
from ...methods.icpg.rounds import Kept
from ...methods.icpg.sources import plain_name
from ...methods.icpg.task import Task
from ...methods.icpg.ticket import thinned
from ..settings.checked import ConfigError
from ..settings.graph_config import GraphConfig
from .drawn import Drawn
from .graph_record import GraphRecord
from .lottery import masker_arguments, plan_of
from .rounds import Unit


class Transfer:
    """Draws tickets whose weights are whole and whose edges another run's maskers choose.

    On the same data it is the same fold's maskers that choose, which have not seen this fold's test
    part either: those of the same seed, or else of that run's first one. On other data they are
    those of its first seed and fold.
    """

    def __init__(self, config: GraphConfig, task: Task, unit: Unit) -> None:
        """Open the other run; a ConfigError says why its maskers cannot choose here."""
        assert config.icpg.maskers_of
        record = GraphRecord(Path(config.icpg.maskers_of))
        other = record.config
        self._task = task
        self._same = plain_name(config.data.name) == plain_name(other.data.name)
        if self._same:
            _require_unseen(config, other, task, unit)
        fold = unit.fold if self._same else 0
        seed = unit.seed if self._same and unit.seed in other.icpg.seeds else other.icpg.seeds[0]
        self._drawn = Drawn(record.path, Unit(seed, fold, "icpg"))
        self._plan = plan_of(other, "icpg")
        known = self._drawn.kept(1)
        if known is None or self._drawn.kept(config.icpg.rounds) is None:
            raise ConfigError(
                f"icpg.maskers_of: {record.path} has no {config.icpg.rounds} rounds of "
                f"{self._drawn.unit.name}: choose fewer icpg.rounds, or go on with that run"
            )
        ins = task.graphs.features.shape[1]
        self._arguments = {**masker_arguments(other, task), "ins": ins}
        shape = Masker(**self._arguments).state_dict()
        if any(one.shape != shape[name].shape for name, one in known[1].items()):
            raise ConfigError(
                f"icpg.maskers_of: the maskers of {record.path} read other features than the {ins} "
                f"of {task.name}"
            )

    def draw(self, kept: Kept) -> tuple[Kept, None]:
        """Return what the next round keeps."""
        number = kept.round + 1
        known = self._drawn.kept(number)
        assert known is not None
        drawn, state, _ = known
        if self._same:
            return Kept(number, kept.masks, drawn.edges), None
        masker = Masker(**self._arguments)
        masker.load_state_dict(state)
        edges = thinned(self._task.graphs, {number: masker}, self._plan, kept=kept.edges)
        return Kept(number, kept.masks, edges), None


def _require_unseen(config: GraphConfig, other: GraphConfig, task: Task, unit: Unit) -> None:
    """Refuse maskers that have seen what their edges are to be tested on."""
    mine, theirs = config.icpg, other.icpg
    for key in ("selection",) if task.split is not None else ("selection", "folds"):
        if (here := getattr(mine, key)) != (there := getattr(theirs, key)):
            raise ConfigError(
                f"icpg.{key} must be {there}, as in {mine.maskers_of}, got {here}: maskers of the "
                "same data must not have seen the test part"
            )
    if unit.fold >= (held := theirs.use or theirs.folds):
        raise ConfigError(
            f"icpg.use must be at most {held}, as many folds as {mine.maskers_of} has run, got "
            f"{mine.use or mine.folds}: maskers of other folds have seen the test part"
        )
