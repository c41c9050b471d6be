import dataclasses
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from secateur.cluster.reports.picture import stairs
from secateur.cluster.reports.report import write_report
from secateur.cluster.runs.results import Member, Results
from secateur.search.candidate import Estimate, Origin
from secateur.search.indicators import front, knee, running_hypervolume
from secateur.search.objective import Objective

OBJECTIVES = (
    Objective("error", relative=False),
    Objective("latency_ms", relative=True),
    Objective("memory_mib", relative=True),
)
WIDTHS = (64, 64, 128, 128, 256, 256, 512, 512)
GROUPS = tuple(f"layer{stage}.{block}.conv1" for stage in range(1, 5) for block in range(2))


def run_of(count: int, *, failures: int = 0) -> Results:
    """A search over a network of eight groups, with about what such a search finds."""
    rng = np.random.default_rng(7)
    members = tuple(network(number, rng) for number in range(count))
    points = np.array([[e.value for e in member.objectives.values()] for member in members])
    points /= np.array([1.0, *points[0, 1:]])
    ends = front(points)
    best = sorted((members[index] for index in ends), key=value_of("latency_ms"))
    volumes = running_hypervolume(points)
    return Results(
        name="resnet18 on a small board",
        state="finished",
        algorithm="hamp",
        seed=3,
        budget=count + failures + 10,
        elapsed_s=4327.0,
        objectives=OBJECTIVES,
        groups=GROUPS,
        dense=members[0],
        members=members,
        front=tuple(best),
        hypervolumes=(*volumes, *volumes[-1:] * failures),
        picks={
            "fastest": best[0].id,
            "knee": members[ends[knee(points[ends])]].id,
            "most-accurate": min(best, key=value_of("error")).id,
        },
        failures=failures,
    )


def network(number: int, rng: np.random.Generator) -> Member:
    """The dense network for 0, else one pruned at random; cost and error follow the widths."""
    kept = np.clip(rng.uniform(0.15, 1) + rng.normal(0, 0.12, len(WIDTHS)), 0.08, 1)
    luck = rng.uniform(0, 0.03)
    if number == 0:
        kept, luck = np.ones(len(WIDTHS)), 0.0
    share, square = float(np.mean(kept**1.6)), float(np.mean(kept**2))
    wrong = 0.07 + 0.35 * float(1 - kept.min() * 0.3 - kept.mean() * 0.7) ** 2.2 + luck
    slow = 1.4 + 10 * share
    final = Estimate(wrong + 0.004, wrong - 0.002, wrong + 0.01)
    return Member(
        id=number,
        objectives={
            "error": Estimate(wrong, wrong - 0.006, wrong + 0.007),
            "latency_ms": Estimate(slow, slow * 0.985, slow * 1.02),
            "memory_mib": Estimate.exact(2.2 + 42.5 * square),
        },
        macs=int(556e6 * share),
        params=int(11.17e6 * square),
        genome=tuple(
            max(1, round(float(width * keep))) for width, keep in zip(WIDTHS, kept, strict=True)
        ),
        origin=origin_of(number),
        final_error=final if number % 4 == 0 else None,
    )


def origin_of(number: int) -> Origin:
    if number == 0:
        return "dense"
    if number < 12:
        return "initial"
    later: tuple[Origin, ...] = ("variation", "local search", "variation", "random move")
    return later[number % 4]


def value_of(name):
    return lambda member: member.objectives[name].value


def only_dense() -> Results:
    """A run whose first candidate is all that was measured, and is not on a front yet."""
    run = run_of(1, failures=1)
    return dataclasses.replace(run, state="running", front=(), picks={})


def without_latency() -> Results:
    """A run that minimised error and MACs, computed both, and has many groups."""
    run = run_of(30)

    def counted(member: Member) -> Member:
        objectives = {
            "error": Estimate.exact(member.objectives["error"].value),
            "macs": Estimate.exact(member.macs),
        }
        return dataclasses.replace(member, objectives=objectives, genome=member.genome * 6)

    return dataclasses.replace(
        run,
        objectives=(OBJECTIVES[0], Objective("macs", relative=True)),
        groups=tuple(f"features.{number}.a_rather_long_name" for number in range(48)),
        dense=counted(run.dense),
        members=tuple(map(counted, run.members)),
        front=tuple(map(counted, run.front)),
    )


def page_of(results: Results, directory: Path) -> str:
    """The written page, without the five megabytes of plotly.js."""
    return write_report(results, directory)[0].read_text().replace(get_plotlyjs(), "")


def words_of(page: str) -> str:
    """The page's text as a reader sees it, in one line."""
    body = re.sub(r"<script.*?</script>", "", page[page.index("<body>") :], flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def front_rows(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tr [^>]*data-front-id="(\d+)"', page)]


def test_a_report_is_a_page_and_a_picture_and_leaves_nothing_else(tmp_path):
    page, picture = write_report(run_of(60), tmp_path / "made" / "for it")
    assert sorted((tmp_path / "made" / "for it").iterdir()) == [picture, page]
    assert (page.name, picture.name) == ("report.html", "front.png")


def test_a_report_replaces_the_one_before(tmp_path):
    assert "finished" not in words_of(page_of(only_dense(), tmp_path))
    assert "finished" in words_of(page_of(run_of(60), tmp_path))


def test_a_run_without_a_measured_network_has_no_report(tmp_path):
    with pytest.raises(ValueError, match="no measured network yet"):
        write_report(dataclasses.replace(run_of(1), members=()), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_run_without_a_cost_has_no_report(tmp_path):
    with pytest.raises(ValueError, match="error against a cost, got the objectives error"):
        write_report(dataclasses.replace(run_of(5), objectives=OBJECTIVES[:1]), tmp_path)


def test_the_header_says_what_was_run_and_what_came_of_it(tmp_path):
    results = run_of(60, failures=2)
    words = words_of(page_of(results, tmp_path))
    assert words.startswith("resnet18 on a small board finished Algorithm hamp seed 3")
    assert "Evaluations 62 of 72" in words
    assert f"On the front {len(results.front)} networks" in words
    assert f"Hypervolume {results.hypervolumes[-1]:.4f}" in words
    assert "Failures 2" in words
    assert "Elapsed 1 h 12 min" in words


def test_every_network_of_the_front_has_a_row(tmp_path):
    results = run_of(60)
    rows = front_rows(page_of(results, tmp_path))
    assert len(rows) > 5
    assert sorted(rows) == sorted(member.id for member in results.front)


def test_the_first_row_is_the_dense_network(tmp_path):
    page = page_of(run_of(60), tmp_path)
    first = page[page.index("<tbody>") :].split("</tr>")[0]
    assert 'class="dense"' in first
    assert "7.00" in first
    assert "11.40" in first


def test_a_row_compares_with_the_dense_network_and_shows_the_interval(tmp_path):
    results = run_of(60)
    member = results.front[0]
    page = page_of(results, tmp_path)
    row = words_of("<body>" + page[page.index(f'data-front-id="{member.id}"') :].split("</tr>")[0])
    latency, whole = (one.objectives["latency_ms"] for one in (member, results.dense))
    assert f"{latency.value:.2f} {latency.value / whole.value:.2f}×" in row  # noqa: RUF001
    assert f"{latency.low:.2f} – {latency.high:.2f}" in row  # noqa: RUF001
    assert f"{member.macs / 1e6:.1f}" in row
    assert member.origin in row


def test_picks_that_fall_on_one_network_share_a_label(tmp_path):
    results = run_of(60)
    twice = dataclasses.replace(results, picks={"fastest": 3, "knee": 5, "most-accurate": 5})
    assert "knee · most accurate network 5" in words_of(page_of(twice, tmp_path))


def test_the_axis_can_be_chosen_where_there_are_two_costs(tmp_path):
    assert 'type="radio" name="cost" value="memory_mib"' in page_of(run_of(60), tmp_path)
    assert 'type="radio"' not in page_of(without_latency(), tmp_path)


def test_markup_in_a_name_is_shown_not_run(tmp_path):
    name = '</script><script>alert("<b>")</script>'
    hostile = dataclasses.replace(run_of(9), name=name, groups=(name, *GROUPS[1:]))
    assert "alert" not in words_of(page_of(run_of(9), tmp_path))
    assert "<script>alert" not in page_of(hostile, tmp_path)


def test_the_page_refers_to_nothing_outside_itself(tmp_path):
    page = page_of(run_of(60), tmp_path)
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,"]
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize("results", [run_of(60), only_dense(), without_latency()])
def test_the_picture_is_a_png_of_twice_the_size_it_is_shown_at(results, tmp_path):
    content = write_report(results, tmp_path)[1].read_bytes()
    assert content.startswith(b"\x89PNG")
    assert [int.from_bytes(content[at : at + 4]) for at in (16, 20)] == [1600, 1000]


def test_the_stairs_only_go_down():
    results = run_of(60)
    for cost in ("latency_ms", "memory_mib"):
        steps = stairs(results, cost)
        costs, errors = ([value_of(name)(one) for one in steps] for name in (cost, "error"))
        assert costs == sorted(costs)
        assert errors == sorted(errors, reverse=True)
        assert 1 < len(steps) <= len(results.front)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a browser saw: the page after its scripts, its console, its requests."""

    page: str
    console: tuple[str, ...]
    requests: tuple[str, ...]

    def recorded(self, name: str) -> str:
        """A data attribute of the page's root."""
        root = re.search(r"<html[^>]*>", self.page)
        found = root and re.search(rf'data-{name}="([^"]*)"', root[0])
        return found[1] if found else ""


def visit(page: Path, directory: Path) -> Visit:
    """Open a page in a headless Chromium that reaches no host and logs every try."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip(f"no browser to open the report in: none of {', '.join(names)} is installed")
    log = directory / "network.json"
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"),
        *("--enable-logging=stderr", "--v=0", f"--log-net-log={log}"),
        f"--user-data-dir={directory / 'profile'}",
        *("--virtual-time-budget=10000", "--dump-dom", page.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = tuple(line for line in done.stderr.splitlines() if ":CONSOLE" in line)
    return Visit(done.stdout.replace(get_plotlyjs(), ""), console, requests_in(log))


def requests_in(log: Path) -> tuple[str, ...]:
    """The addresses that a page from the disk asked for; the browser's own errands left out."""
    record = json.loads(log.read_text())
    start = record["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    return tuple(
        event["params"]["url"]
        for event in record["events"]
        if event["type"] == start
        and "file://" in event.get("params", {}).get("network_isolation_key", "")
    )


def with_ending(page: Path, ending: str) -> Path:
    """A copy of a page with something more at the end of its body."""
    copy = page.with_name("changed.html")
    copy.write_text(page.read_text().replace("</body>", ending + "</body>"))
    return copy


def test_a_browser_shows_every_network_of_the_front_without_the_network(tmp_path):
    results = run_of(60, failures=2)
    seen = visit(write_report(results, tmp_path)[0], tmp_path)
    assert seen.console == ()
    assert seen.requests == ()
    assert seen.recorded("ready") == "true"
    assert seen.recorded("front-points") == str(len(results.front))
    assert sorted(front_rows(seen.page)) == sorted(member.id for member in results.front)
    assert all(f">{label}<" in seen.page for label in ("fastest", "knee", "most accurate"))


@pytest.mark.parametrize("results", [only_dense(), without_latency()])
def test_a_browser_shows_a_run_in_any_state(results, tmp_path):
    seen = visit(write_report(results, tmp_path)[0], tmp_path)
    assert seen.console == ()
    assert seen.recorded("ready") == "true"
    assert seen.recorded("front-points") == str(len(results.front))


def test_choosing_shows_a_networks_widths_and_another_cost(tmp_path):
    results = run_of(60)
    chosen = results.front[1]
    act = f"""<script>
      addEventListener("load", () => setTimeout(() => {{
        document.querySelector('tr[data-id="{chosen.id}"]').click();
        document.querySelector("input[value=memory_mib]").click();
      }}, 1000));
    </script>"""
    seen = visit(with_ending(write_report(results, tmp_path)[0], act), tmp_path)
    assert seen.console == ()
    assert f"Network {chosen.id} keeps {sum(chosen.widths)} of 1920 channels." in seen.page
    assert ">Memory (MiB)</text>" in seen.page
    assert ">Latency (ms)</text>" not in seen.page


def test_the_watch_sees_a_page_that_asks_the_network(tmp_path):
    page = write_report(run_of(5), tmp_path)[0]
    image = '<img src="http://127.0.0.1:9/x.png">'
    assert visit(with_ending(page, image), tmp_path).console  # the page's own policy forbids it
    page.write_text(re.sub(r'<meta http-equiv="Content-Security.*?>', "", page.read_text()))
    assert visit(with_ending(page, image), tmp_path).requests == ("http://127.0.0.1:9/x.png",)


def with_surrogates(run: Results) -> Results:
    taus = tuple(
        (number, {"error": 0.5 + number / 200, "latency_ms": 0.9, "memory_mib": 1.0})
        for number in range(20, 60, 3)
    )
    return dataclasses.replace(run, agreement=taus)


def test_the_surrogates_of_what_is_measured_are_drawn_over_the_search(tmp_path):
    page = page_of(with_surrogates(run_of(60)), tmp_path)
    assert "Kendall's tau" in words_of(page)
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)[1])
    assert [one["label"] for one in facts["surrogates"]] == ["Error", "Latency"]
    assert facts["surrogates"][0]["numbers"][:2] == [20, 23]
    assert "Kendall" not in words_of(page_of(run_of(60), tmp_path))


def test_other_runs_are_drawn_beside(tmp_path):
    other = dataclasses.replace(run_of(40), algorithm="nsga2", seed=7)
    text = write_report(run_of(60), tmp_path, [(Path("other"), other)])[0].read_text()
    assert "nsga2, seed 7" in words_of(text.replace(get_plotlyjs(), ""))
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)[1])
    assert facts["beside"] == [{"label": "nsga2, seed 7", "hypervolumes": list(other.hypervolumes)}]


def test_runs_that_are_alike_are_told_apart_by_their_folders(tmp_path):
    runs = [(Path("runs/again"), run_of(40)), (Path("b"), dataclasses.replace(run_of(9), seed=4))]
    page = write_report(run_of(60), tmp_path, runs)[0].read_text().replace(get_plotlyjs(), "")
    legend = f"hamp, seed 3, {tmp_path} hamp, seed 3, runs/again hamp, seed 4"
    assert legend in words_of(page)


def test_only_runs_with_the_same_objectives_stand_beside_each_other(tmp_path):
    with pytest.raises(ValueError, match=r"same objectives can be compared: .* has error, laten"):
        write_report(run_of(30), tmp_path, [(Path("other"), without_latency())])


def test_predictions_and_devices_that_have_moved_are_marked(tmp_path):
    results = run_of(60)
    foretold = dataclasses.replace(results.front[0], predicted=("latency_ms",))
    front = (foretold, *results.front[1:])
    members = tuple(foretold if one.id == foretold.id else one for one in results.members)
    marked = dataclasses.replace(results, front=front, members=members, drift={"latency_ms": 0.13})
    words = words_of(page_of(marked, tmp_path))
    assert "Device moved 1.13× Latency" in words  # noqa: RUF001
    assert words.count("predicted") == 1
    assert "predicted" not in words_of(page_of(results, tmp_path))
