"""Does a learned criterion find better networks than a fixed one, for the same training?

    python benchmarks/clad.py [--quick] [--json] [--config FILE --data-root DATA] [--seeds N]
        [--variants "A;B;..."] [--set KEY=VALUE ...] [--folder DIR] [--keep DIR] [--time]

Every variant prunes the same dense network to the same share of its multiply-adds and trains for
the same number of epochs, with the same seeds. `uniform l1` and `uniform l2` keep the same share of
every group, by a norm of the filters, and spend the epochs of learning on fine-tuning. What is
compared is the error on the final split, looked at once, after the last epoch. `--folder` keeps the
runs, and goes on with those that it holds; `--keep` writes what came of each, networks and all;
`--time` times every network anew beside the dense one, for runs that were not alone on their
machine. `--quick` prunes the demo's network for digits.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from rich.console import Console
from rich.table import Table

import secateur
from secateur.actors.job import DEVICE
from secateur.cluster.exports.trained import PRUNED, RESULT, hand_out
from secateur.cluster.profiling.targets import timed
from secateur.cluster.runs.workpiece import DENSE_WEIGHTS, Workpiece, open_workpiece
from secateur.cluster.settings.checked import parse_override
from secateur.cluster.settings.config import Config, read_config
from secateur.cluster.training.clad import taught_recipe
from secateur.cluster.training.finetune import batches_of, scale_of
from secateur.methods.clad.losses import Macs
from secateur.methods.pruning.counts import Counts
from secateur.methods.pruning.surgery import Pruner
from secateur.methods.tensors.snapshot import Snapshot
from secateur.methods.training.finetune import finetune

VARIANTS: dict[str, dict[str, Any]] = {
    "clad": {},
    "clad, statistics": {"clad.learner": "statistics"},
    "free logits": {"clad.learner": "logits", "clad.learner_rate": 0.03},
    "no attention": {"clad.attention": 0.0},
    "no polarisation": {"clad.polarisation": 0.0},
    "soft gates, annealed": {"clad.decision": "anneal"},
    "widths in eights": {"pruning.round_to": 8},
    "uniform l1": {},
    "uniform l2": {},
}
UNIFORM = "uniform "
QUICK = {"clad.epochs": 4, "finetune.epochs": 3, "latency.seconds": 0.1}


def trained(config: Config, path: Path) -> dict[str, Any]:
    """Run CLAD, or go on with it; return what it tells of the network."""
    known = (path / "journal.db").exists()
    run = secateur.open_training(path).resume() if known else secateur.train(config, path)
    return run.status()


def uniform(config: Config, path: Path, criterion: str) -> dict[str, Any]:
    """Cut the dense network uniformly, and fine-tune it, or go on with it."""
    told = path / "result.json"
    if told.exists():
        return json.loads(told.read_text())
    path.mkdir(parents=True, exist_ok=True)
    workpiece = open_workpiece(config, path, lambda _: None)
    pruner = Pruner.by(criterion, workpiece.pruner.network, workpiece.prunable.plan)
    genome = uniform_widths(config, workpiece)
    network = pruner.cut(genome)
    torch.set_num_threads(scale_of(config.finetune).threads)
    batches = batches_of(config.finetune, workpiece)

    def keep(state: Snapshot, terms: Mapping[str, float]) -> None:
        state.save(path)
        print(f"{path.name} epoch {state.epoch}: {sum(terms.values()):.3f}", file=sys.stderr)

    begun = Snapshot.load(path) if (path / Snapshot.FACTS).exists() else None
    teacher = workpiece.prunable.pruner(threads=torch.get_num_threads()).network
    recipe = taught_recipe(config)
    finetune(network, teacher, batches, recipe, snapshot=begun, after_epoch=keep)
    found = hand_out(path / PRUNED, f"{UNIFORM}{criterion}", workpiece, pruner, genome, network)
    told.write_text(json.dumps(found))
    return found


def timed_anew(config: Config, path: Path) -> dict[str, Any]:
    """The latencies of a run's network and of the dense one, side by side, in milliseconds."""
    workpiece = open_workpiece(config, path, lambda _: None)
    found, dense, device = timed(workpiece, (path / PRUNED / "model.onnx").read_bytes())
    latencies = {"latency_ms": asdict(found.estimate), "dense_latency_ms": asdict(dense)}
    return {**latencies, DEVICE: device}


def uniform_widths(config: Config, workpiece: Workpiece) -> tuple[int, ...]:
    """The widths nearest to the same share everywhere that cost at most the target."""
    plan, network = workpiece.prunable.plan, workpiece.pruner.network
    share = Macs(Counts(plan, network).layers, plan.widths).share_kept(config.clad.target)
    step = 0.002
    while True:
        widths = workpiece.space.uniform(share)[: len(plan.widths)]
        cost = workpiece.cost(widths).macs / workpiece.cost(plan.widths).macs
        if cost <= config.clad.target or share <= step:
            return widths
        share -= step


def configured(options: argparse.Namespace, variant: str, seed: int) -> Config:
    """The configuration of one run."""
    given = dict(map(parse_override, options.set)) | {"finetune.seed": seed} | VARIANTS[variant]
    if options.data_root:
        given["data.root"] = str(options.data_root)
    config = read_config(options.config, (QUICK if options.quick else {}) | given)
    if not variant.startswith(UNIFORM):
        return config
    epochs = config.finetune.epochs + config.clad.epochs  # nothing is learned but weights
    settings = config.finetune.model_copy(update={"epochs": epochs})
    return config.model_copy(update={"finetune": settings})


def measured(
    options: argparse.Namespace, folder: Path, variants: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Run everything; what is told of each network, by variant and seed."""
    found: dict[str, list[dict[str, Any]]] = {variant: [] for variant in variants}
    weights: str | None = None
    for seed in range(1, options.seeds + 1):
        for variant in variants:
            name = f"{slug(variant)}-seed{seed}"
            config = configured(options, variant, seed)
            if config.network.weights is None and weights:
                network = config.network.model_copy(update={"weights": weights})
                config = config.model_copy(update={"network": network})
            if variant.startswith(UNIFORM):
                told = uniform(config, folder / name, variant.removeprefix(UNIFORM))
            else:
                told = trained(config, folder / name)
            weights = weights or str(folder / name / DENSE_WEIGHTS)
            if options.time:
                told = told | timed_anew(config, folder / name)
            found[variant].append(told)
            print(f"{name}: {100 * told['final_error']['value']:.2f} %", file=sys.stderr)
            if options.keep:
                keep_result(folder / name, options.keep / kept_as(config, variant), config, told)
    return found


def kept_as(config: Config, variant: str) -> str:
    """The folder of a result: network, share of multiply-adds, seed, and what is unlike CLAD."""
    network = config.name.removeprefix("clad-")
    name = f"{network}-macs{100 * config.clad.target:.0f}-seed{config.finetune.seed}"
    return name if variant == "clad" else f"{name}-{slug(variant)}"


def slug(variant: str) -> str:
    """A variant's name as part of a folder's."""
    return variant.replace(", ", "-").replace(" ", "-")


def keep_result(run: Path, target: Path, config: Config, told: Mapping[str, Any]) -> None:
    """Write the configuration, what was measured, and the network."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "config.yaml").write_text(
        yaml.safe_dump(config.model_dump(mode="json", exclude={"data": {"root"}}), sort_keys=False)
    )
    (target / f"{RESULT}.json").write_text(json.dumps(told, indent=2) + "\n")
    shutil.copytree(run / PRUNED, target / PRUNED, dirs_exist_ok=True)


def summarised(found: Mapping[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Return errors, drops and costs, mean over the seeds, by name."""
    summary: dict[str, float] = {}
    for variant, runs in found.items():
        name = variant.replace(", ", "_").replace(" ", "_")
        errors = [run["final_error"]["value"] for run in runs]
        summary[f"error_{name}"] = statistics.mean(errors)
        summary[f"spread_{name}"] = statistics.stdev(errors) if len(errors) > 1 else 0.0
        summary[f"drop_{name}"] = statistics.mean(
            run["final_error"]["value"] - run["dense_final_error"]["value"] for run in runs
        )
        summary[f"macs_{name}"] = statistics.mean(run["macs"] / run["dense_macs"] for run in runs)
        if all("latency_ms" in run for run in runs):
            summary[f"latency_{name}"] = statistics.mean(
                run["latency_ms"]["value"] / run["dense_latency_ms"]["value"] for run in runs
            )
    summary["seeds"] = len(next(iter(found.values())))
    return summary


def table_of(found: Mapping[str, list[dict[str, Any]]], summary: Mapping[str, float]) -> Table:
    """The comparison for people."""
    seeds = f"{summary['seeds']:.0f} seed{'s' if summary['seeds'] > 1 else ''}"
    table = Table(title=f"Error on the final split, mean of {seeds}")
    for heading in ("variant", "error (%)", "deviation", "drop (points)", "MACs", "latency"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for variant in found:
        name = variant.replace(", ", "_").replace(" ", "_")
        latency = summary.get(f"latency_{name}")
        table.add_row(
            variant,
            f"{100 * summary[f'error_{name}']:.2f}",
            f"{100 * summary[f'spread_{name}']:.2f}",
            f"{100 * summary[f'drop_{name}']:.2f}",
            f"{summary[f'macs_{name}']:.3f}x",
            f"{latency:.3f}x" if latency else "",
        )
    return table


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the demo's digits, one seed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--config", type=Path, help="what to prune; the demo's digits without")
    parser.add_argument("--data-root", type=Path, help="folder with data and weights")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--variants", help="which, with semicolons; all without")
    parser.add_argument("--set", action="append", default=[], help="override a key")
    parser.add_argument("--folder", type=Path, help="keep the runs, and go on with those it holds")
    parser.add_argument("--keep", type=Path, help="write what came of each run there")
    parser.add_argument("--time", action="store_true", help="time every network anew")
    options = parser.parse_args()
    chosen = ["clad", "free logits", "uniform l1"] if options.quick else list(VARIANTS)
    variants = options.variants.split(";") if options.variants else chosen
    with tempfile.TemporaryDirectory() as temporary:
        found = measured(options, options.folder or Path(temporary), variants)
    summary = summarised(found)
    if options.json:
        print(json.dumps({"summary": summary}))
        return
    Console(width=110).print(table_of(found, summary))


if __name__ == "__main__":
    main()
