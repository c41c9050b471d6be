"""Algorithms: which search runs, by the words of the configuration."""

from ..actors.job import is_latency
from ..search.algorithm import Algorithm
from ..search.baselines import RandomSearch, UniformScaling
from ..search.hamp import HAMP, Settings
from ..search.netadapt import NetAdapt
from ..search.nsga2 import NSGA2
from ..search.stopping import Patient
from ..search.surrogate import Surrogate
from ..surrogates.error_model import error_model
from ..surrogates.formula import formula
from ..surrogates.latency_model import latency_model
from .profiling.operator_library import prior_for
from .runs.survival import selection
from .runs.workpiece import Workpiece
from .settings.config import Config
from .warm_start import Earlier


def algorithm(config: Config, workpiece: Workpiece, taken_over: Earlier) -> Algorithm:
    """Return the algorithm that a configuration names, as patient as it says."""
    named = _by_name(config, workpiece, taken_over)
    patience = config.search.patience
    if patience is None:
        return named
    return Patient(named, config.goals, patience=patience)


def _by_name(config: Config, workpiece: Workpiece, taken_over: Earlier) -> Algorithm:
    space, settings = workpiece.space, config.search
    match settings.algorithm:
        case "random":
            return RandomSearch(space, seed=settings.seed)
        case "uniform":
            return UniformScaling(space)
        case "netadapt":
            return NetAdapt(space)
        case "optuna-nsga2":
            from ..search.optuna_nsga2 import OptunaNSGA2  # optional

            return OptunaNSGA2(
                space,
                seed=settings.seed,
                objectives=len(config.objectives),
                population=settings.population,
            )
        case "nsga2":
            return NSGA2(space, config.goals, seed=settings.seed, population=settings.population)
        case "hamp":
            return HAMP(
                space,
                config.goals,
                [surrogate(name, workpiece) for name in config.quantities],
                seed=settings.seed,
                settings=Settings(
                    population=settings.population,
                    local_search=settings.hamp.local_search,
                    trust=settings.hamp.trust,
                    worst_error=settings.worst_error,
                ),
                selection=selection(config),
                warm=taken_over.front,
                prior={
                    quantity: {genome: estimate.value for genome, estimate in known.items()}
                    for quantity, known in taken_over.known.items()
                },
            )


def surrogate(objective: str, workpiece: Workpiece) -> Surrogate:
    """Return what learns a quantity, or computes it."""
    widths = workpiece.prunable.plan.widths
    if objective == "error":
        return error_model(widths, workpiece.space.criteria)
    if is_latency(objective):
        batch = workpiece.config.timing(objective).batch
        return latency_model(widths, prior_for(workpiece, objective, batch))
    return formula(getattr(workpiece.cost, objective), len(widths))
