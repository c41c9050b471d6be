"""What all tests share: quiet threads, repeatable examples, real data, one tiny network."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

# What runs learn of this machine stays with the tests.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="secateur-tests-")

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when a test first imports it

# Tests interrupt commands, which would not heed it where a shell has started all in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Ray decides once for a process whether it has a token, and then tells its environment: the tests
# of a process must agree. tests/cluster/test_system.py has machines with a token.
os.environ["RAY_AUTH_MODE"] = "disabled"

# Ray Train asks its workers every two seconds by default; epochs of tests are shorter.
os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = "0.2"
os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"

settings.register_profile("secateur", deadline=None, derandomize=True)
settings.load_profile("secateur")


@pytest.fixture
def cluster() -> Iterator["Cluster"]:
    """A Ray cluster of several nodes' processes on this machine: a head of one core, and what a
    test adds by `add_node`.
    """
    import ray
    from ray.cluster_utils import Cluster

    class Small(Cluster):
        def add_node(self, **node: Any) -> Any:
            """Add a node of little memory, whose dashboard takes whatever port is free."""
            room = {"object_store_memory": 150 * 2**20, "dashboard_port": None}
            return super().add_node(**room, **node)

    made = Small(initialize_head=True, head_node_args={"num_cpus": 1})
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that holds CIFAR-10 and the published weights; a test skips without it."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SECATEUR_TEST_DATA", beside))
    if not (folder / "cifar10").is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny() -> SimpleNamespace:
    """A ResNet of two groups (4 and 8 channels), as if trained, and everything made from it.

    It holds `network`, `plan`, `pruner`, `images` (6, 3, 8, 8), `shape`, `model` (ONNX bytes) and
    `template`. Nobody may change it.
    """
    import torch

    from secateur.methods.networks import ResNet
    from secateur.methods.pruning.onnx_graph import OnnxTemplate, export
    from secateur.methods.pruning.plan import trace
    from secateur.methods.pruning.surgery import Pruner

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    network = ResNet(blocks=1, widths=(4, 8), in_channels=3, classes=5).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / 3)
            if name.endswith("running_var"):
                tensor.copy_(tensor.abs() + 0.5)
    images = torch.randn(6, 3, 8, 8, generator=generator)
    plan = trace(network, images[:1])
    model = export(network, images[:1])
    return SimpleNamespace(
        network=network,
        plan=plan,
        pruner=Pruner.by("l2", network, plan),
        images=images,
        shape=(3, 8, 8),
        model=model,
        template=OnnxTemplate(model),
    )
