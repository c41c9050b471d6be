"""HAMP on an analytic problem of three objectives; tests/search/test_algorithm.py has the rest."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from secateur.search.algorithm import Algorithm, Search
from secateur.search.baselines import RandomSearch
from secateur.search.candidate import Candidate, Estimate, Evaluation, Failure
from secateur.search.constraint import Constraint
from secateur.search.goals import Goals
from secateur.search.hamp import HAMP, Settings
from secateur.search.indicators import front, hypervolume
from secateur.search.objective import Objective
from secateur.search.selection import rank_and_crowding
from secateur.search.space import LayerGroup, Space
from secateur.search.surrogate import Genomes, Predictor, Surrogate

SPACE = Space(
    tuple(LayerGroup(f"g{i}", width, 4, 4) for i, width in enumerate((16, 16, 32, 32, 32, 64, 64)))
)
OBJECTIVES = (
    Objective("error", relative=False),
    Objective("latency_ms", relative=True),
    Objective("memory_mib", relative=True),
)
QUICK = Settings(steps=3, neighbours=8, starts=2)


def truth(genomes: Genomes) -> np.ndarray:
    """All objectives of genomes of shape (genomes, groups): a bowl, stairs and a plane."""
    matters = np.array([3, 0.5, 2, 0.3, 1, 0.2, 0.6])
    kept = genomes / np.array(SPACE.dense)
    error = 0.08 + 0.6 * (1 - np.exp(-((1 - kept) ** 2 @ matters)))
    latency = 1 + (-(-genomes // 8) * 8) @ np.array([8, 8, 4, 4, 4, 2, 2]) / 100
    memory = genomes @ np.array([1, 1, 2, 2, 2, 4, 4.0])
    return np.stack([error, latency, memory], axis=1)


def measure(candidate: Candidate) -> Evaluation:
    values = truth(np.array([candidate.genome]))[0]
    return Evaluation(candidate, tuple(map(Estimate.exact, values)))


def known(objective: int) -> Surrogate:
    """A surrogate that is always right."""

    def surrogate(genomes: Genomes, values: np.ndarray) -> Predictor:  # noqa: ARG001
        return lambda rows: (truth(rows)[:, objective], np.zeros(len(rows)))

    return surrogate


KNOWN = [known(0), known(1), known(2)]


def parabolas(genomes: Genomes, values: np.ndarray) -> Predictor:
    """Ridge regression on every width and its square: a surrogate with something to learn."""

    def features(rows: Genomes) -> np.ndarray:
        kept = rows / np.array(SPACE.dense)
        return np.hstack([np.ones((len(rows), 1)), kept, kept**2])

    inputs = features(genomes)
    weights = np.linalg.solve(inputs.T @ inputs + 0.01 * np.eye(inputs.shape[1]), inputs.T @ values)
    spread = np.std(values - inputs @ weights)
    return lambda rows: (features(rows) @ weights, np.full(len(rows), spread))


def noise(genomes: Genomes, values: np.ndarray) -> Predictor:  # noqa: ARG001
    """A surrogate that has learned nothing."""
    rng = np.random.default_rng(len(genomes))
    return lambda rows: (rng.random(len(rows)), np.ones(len(rows)))


def backwards(objective: int) -> Surrogate:
    """A surrogate that ranks every pair the wrong way round."""

    def surrogate(genomes: Genomes, values: np.ndarray) -> Predictor:  # noqa: ARG001
        return lambda rows: (-truth(rows)[:, objective], np.zeros(len(rows)))

    return surrogate


def run(algorithm: Algorithm, evaluations: int, *, window: int = 4) -> list[Candidate]:
    search, asked, waiting = Search(algorithm, SPACE, window=window), [], []
    while search.committed < evaluations:
        while (candidate := search.ask()) is not None:
            asked.append(candidate)
            waiting.append(candidate)
        search.tell(measure(waiting.pop(0)))
    return asked[:evaluations]


def hamp(surrogates: Sequence[Surrogate] = KNOWN, *, seed: int = 0, **options) -> HAMP:
    settings = options.pop("settings", QUICK)
    goals = Goals(OBJECTIVES, tuple(options.pop("constraints", ())))
    return HAMP(SPACE, goals, surrogates, seed=seed, settings=settings, **options)


def volume(candidates: Sequence[Candidate]) -> float:
    points = truth(np.array([candidate.genome for candidate in candidates]))
    dense = truth(np.array([SPACE.dense]))[0]
    return hypervolume(points / np.array([1.0, *dense[1:]]))


Variant = Callable[[int], Algorithm]


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(lambda seed: hamp([parabolas] * 3, seed=seed), id="as it is"),
        pytest.param(
            lambda seed: hamp(seed=seed, settings=Settings(local_search=0.0)), id="variation alone"
        ),
        pytest.param(
            lambda seed: hamp([parabolas] * 3, seed=seed, selection=rank_and_crowding),
            id="with the survival of NSGA-II",
        ),
        pytest.param(lambda seed: hamp([noise] * 3, seed=seed), id="with random moves"),
    ],
)
def test_hamp_finds_a_larger_hypervolume_than_random_search(variant: Variant):
    wins = sum(
        volume(run(variant(seed), 150)) > volume(run(RandomSearch(SPACE, seed=seed), 150))
        for seed in range(5)
    )
    assert wins >= 4


def test_local_search_on_a_right_surrogate_finds_more_than_variation_alone():
    gains = [
        volume(run(hamp(seed=seed), 100))
        - volume(run(hamp(seed=seed, settings=Settings(local_search=0.0)), 100))
        for seed in range(5)
    ]
    assert np.mean(gains) > 0


def test_it_begins_with_the_dense_network_uniform_scalings_and_random_genomes():
    first = run(hamp(), 20)
    assert first[0] == Candidate(0, SPACE.dense, "dense")
    scalings = [SPACE.uniform(1 - tenth / 10) for tenth in range(1, 10)]
    assert [candidate.genome for candidate in first[1:10]] == scalings
    assert {candidate.origin for candidate in first[1:]} == {"initial"}
    assert len({candidate.genome for candidate in first}) == 20


def test_local_search_and_variation_take_turns_by_their_share():
    for share, expected in [(0.0, 0), (0.25, 10), (0.5, 20), (1.0, 40)]:
        settings = Settings(local_search=share, steps=3, neighbours=8, starts=2)
        origins = [c.origin for c in run(hamp(settings=settings), 60)[20:]]
        assert origins.count("local search") == expected
        assert origins.count("variation") == 40 - expected


def test_local_search_records_what_it_expected_and_how_far_to_believe_it():
    found = [c for c in run(hamp(), 60) if c.origin == "local search"]
    assert found
    for candidate in found:
        assert candidate.forecast.objectives == pytest.approx(measure(candidate).objectives)
        assert candidate.forecast.tau == pytest.approx((1.0, 1.0, 1.0))


def test_only_local_search_makes_a_forecast():
    assert all((c.forecast is not None) == (c.origin == "local search") for c in run(hamp(), 60))


@pytest.mark.parametrize("place", range(3))
def test_one_surrogate_that_ranks_the_wrong_way_round_leads_to_random_moves(place):
    surrogates = [*KNOWN[:place], backwards(place), *KNOWN[place + 1 :]]
    origins = [candidate.origin for candidate in run(hamp(surrogates), 60)[20:]]
    assert origins.count("random move") == 30
    assert "local search" not in origins


def test_a_surrogate_that_learned_nothing_mostly_leads_to_random_moves():
    origins = [candidate.origin for candidate in run(hamp([KNOWN[0], noise, KNOWN[2]]), 100)[20:]]
    assert origins.count("random move") >= 0.8 * 40


def test_a_surrogate_whose_predictions_never_change_leads_to_random_moves():
    def constant(genomes: Genomes, values: np.ndarray) -> Predictor:  # noqa: ARG001
        return lambda rows: (np.full(len(rows), values.mean()), np.zeros(len(rows)))

    origins = [candidate.origin for candidate in run(hamp([constant] * 3), 60)[20:]]
    assert origins.count("random move") == 30


def test_trust_of_nothing_believes_any_surrogate():
    settings = Settings(trust=-1.0, steps=3, neighbours=8, starts=2)
    origins = {c.origin for c in run(hamp([noise] * 3, settings=settings), 60)[20:]}
    assert "random move" not in origins


def test_the_surrogates_learn_from_every_evaluation_and_no_failure():
    fitted = []

    def spy(genomes: Genomes, values: np.ndarray) -> Predictor:
        fitted.append(len(genomes))
        return KNOWN[0](genomes, values)

    algorithm = hamp([spy, *KNOWN[1:]], settings=Settings(population=8, local_search=1.0))
    search = Search(algorithm, SPACE, window=1)
    for number in range(24):
        candidate = search.ask()
        search.tell(Failure(candidate, "lost") if number % 3 == 2 else measure(candidate))
    assert max(fitted) == 16  # of 23 outcomes committed when the last one was bred, 16 were good


def test_two_in_flight_do_not_chase_the_same_gain():
    """A candidate in flight counts as what is predicted of it, so its gain is spent."""
    algorithm = hamp(settings=Settings(local_search=1.0, steps=10))
    asked = run(algorithm, 30, window=1)
    flying: list[Candidate] = []
    for _ in range(4):
        earlier = [*asked, *flying]
        flying.append(algorithm.breed(earlier, {candidate.genome for candidate in earlier}))
    for index, candidate in enumerate(flying):
        earlier = [*asked, *flying[:index]]
        together = volume([*earlier, candidate]) - volume(earlier)
        alone = volume([*asked, candidate]) - volume(asked)
        assert together > 0.25 * alone > 0


def test_every_objective_needs_a_surrogate():
    with pytest.raises(ValueError, match=r"one surrogate for each of error, .*, got 2"):
        hamp(KNOWN[:2])


@pytest.mark.parametrize("population", [0, 1])
def test_a_population_without_two_parents_is_refused(population):
    with pytest.raises(ValueError, match=f"at least 2, got {population}"):
        Settings(population=population)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(ValueError, match="local_search must be a share"):
        Settings(local_search=share)


BOUND = Constraint("latency_ms", 0.6, relative=True)


def kept(candidates: Sequence[Candidate], bound: float) -> np.ndarray:
    """Which candidates keep so much of the dense network's latency."""
    latency = truth(np.array([candidate.genome for candidate in candidates]))[:, 1]
    return latency <= bound * truth(np.array([SPACE.dense]))[0, 1]


def test_a_constrained_search_spends_its_budget_on_networks_that_keep_the_bound():
    candidates = run(hamp(constraints=[BOUND]), 80)
    assert kept(candidates[20:], 0.6).mean() > 0.8
    assert kept(run(hamp(), 80)[20:], 0.6).mean() < 0.6


def test_a_bound_on_what_is_no_objective_is_kept_too():
    goals = Goals((OBJECTIVES[0], OBJECTIVES[2]), (BOUND,))
    surrogates = [known(0), known(2), known(1)]
    algorithm = HAMP(SPACE, goals, surrogates, seed=0, settings=QUICK)
    search, asked = Search(algorithm, SPACE, window=1), []
    while len(asked) < 80:
        candidate = search.ask()
        asked.append(candidate)
        error, latency, memory = truth(np.array([candidate.genome]))[0]
        search.tell(Evaluation(candidate, tuple(map(Estimate.exact, (error, memory, latency)))))
    assert kept(asked[20:], 0.6).mean() > 0.8


def test_a_bound_that_nothing_keeps_is_approached():
    candidates = run(hamp(constraints=[Constraint("latency_ms", 0.01, relative=True)]), 60)
    latency = truth(np.array([candidate.genome for candidate in candidates]))[:, 1]
    least = truth(np.array([[4] * 7]))[0, 1]
    assert latency[-20:].mean() < 1.2 * least


def test_a_surrogate_is_needed_for_what_is_only_bounded():
    bounded = Constraint("params", 0.5, relative=True)
    with pytest.raises(ValueError, match=r"one surrogate for each of error, .*, params, got 3"):
        hamp(constraints=[bounded])


def drive(algorithm: Algorithm, evaluations: int) -> list[Candidate]:
    return run(algorithm, evaluations, window=1)


def test_a_warm_start_begins_with_what_it_is_given():
    front = [(8, 8, 16, 16, 16, 32, 32), SPACE.dense, (4, 4, 8, 8, 8, 16, 16)]
    asked = drive(hamp(warm=front), 6)
    assert [c.genome for c in asked[:3]] == [SPACE.dense, front[0], front[2]]
    assert {c.origin for c in asked[3:]} <= {"variation", "local search", "random move"}


def test_what_is_taken_already_is_not_asked_again_by_a_warm_start():
    dense, first = Candidate(0, SPACE.dense, "dense"), (8, 8, 16, 16, 16, 32, 32)
    bred = hamp(warm=[first]).breed([dense], {dense.genome, first})
    assert bred.genome not in {dense.genome, first}


def test_surrogates_learn_from_what_was_known_before():
    seen: list[int] = []

    def counting(genomes: Genomes, values: np.ndarray) -> Predictor:
        seen.append(len(genomes))
        return parabolas(genomes, values)

    rng = np.random.default_rng(0)
    before = [SPACE.random(rng) for _ in range(50)]
    errors = {genome: float(truth(np.array([genome]))[0, 0]) for genome in before}
    surrogates = [counting, known(1), known(2)]
    drive(hamp(surrogates, warm=before[:12], prior={"error": errors}), 20)
    assert min(seen) >= 38  # what is in the archive does not count twice
    assert max(seen) <= 50 + 20


def test_a_warm_start_finds_more_with_the_same_budget():
    gains = []
    for seed in range(4):
        first = drive(hamp([parabolas] * 3, seed=seed), 100)
        values = truth(np.array([candidate.genome for candidate in first]))
        best = [first[i].genome for i in front(values)][:12]
        errors = {c.genome: float(v) for c, v in zip(first, values[:, 0], strict=True)}
        cold = hamp([parabolas] * 3, seed=seed + 10)
        warm = hamp([parabolas] * 3, seed=seed + 10, warm=best, prior={"error": errors})
        gains.append(volume(drive(warm, 40)) - volume(drive(cold, 40)))
    assert np.mean(gains) > 0
