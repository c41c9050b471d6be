"""Transfer: edges that the maskers of another run choose, for another network or other graphs."""

from pathlib import Path

from ...methods.icpg.masker import Masker
from ...methods.icpg.rounds import Kept
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

    Where that run had the same graphs and folds, its maskers have not seen this fold's test part
    either: it is the same fold's that choose. Elsewhere they are those of its first seed and fold.
    """

    def __init__(self, config: GraphConfig, task: Task, unit: Unit) -> None:
        """Open the other run; a ConfigError says why its maskers cannot choose here."""
        assert config.icpg.maskers_of
        record = GraphRecord(Path(config.icpg.maskers_of))
        other = record.config
        self._task, self._same = task, _same_folds(config, other)
        fold = (unit.seed, unit.fold) if self._same else (other.icpg.seeds[0], 0)
        self._drawn = Drawn(record.path, Unit(*fold, "icpg"))
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


def _same_folds(config: GraphConfig, other: GraphConfig) -> bool:
    mine, theirs = (
        (one.data.name, one.icpg.folds, one.icpg.selection, one.icpg.seeds, one.icpg.use)
        for one in (config, other)
    )
    return mine == theirs
