"""Accuracy: BatchNorm recalibration and the top-1 error with its interval."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ...search.candidate import Estimate
from ..data.images import Images
from ..data.normalisation import Normalisation
from ..pruning.surgery import Pruner
from ..tensors.batch_norm import batch_norms, estimated_anew

CPU = torch.device("cpu")


def recalibrate(network: nn.Module, inputs: Tensor, *, batch: int = 250) -> nn.Module:
    """Estimate every BatchNorm's statistics anew on training inputs, in place.

    The plain average over batches (momentum None); nothing else of the network changes mode.
    """
    with torch.inference_mode(), estimated_anew(batch_norms(network)):
        for part in torch.tensor_split(inputs, -(-len(inputs) // batch)):
            network(part)  # parts of nearly the same size: none is too small for a variance
    return network


def predictions(network: nn.Module, inputs: Tensor, *, batch: int = 50) -> Tensor:
    """Return the class with the largest logit, shape (images,)."""
    network.eval()
    with torch.inference_mode():
        return torch.cat(
            [
                network(inputs[start : start + batch]).argmax(dim=1)
                for start in range(0, len(inputs), batch)
            ]
        )


def error_estimate(wrong: int, images: int) -> Estimate:
    """Share of wrong answers with Wilson's 95 % interval (Wilson 1927)."""
    z = 1.959964
    share = wrong / images
    centre = (share + z * z / (2 * images)) / (1 + z * z / images)
    half = z * np.sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2)
    half = half / (1 + z * z / images)
    return Estimate(share, float(min(share, centre - half)), float(max(share, centre + half)))


def exact_gpu() -> torch.device:
    """Return this process's GPU, set to compute alike every time and in full float32."""
    if not torch.cuda.is_available():
        raise RuntimeError("no GPU is visible to this worker: set workers.gpus to 0")
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda")


class AccuracyMeter:
    """Measures candidates: cut, recalibrate, count the errors on a split.

    Networks are cut on the CPU and measured on the `device`.
    """

    def __init__(
        self,
        pruner: Pruner,
        normalisation: Normalisation,
        *,
        recalibration: Images,
        splits: Mapping[str, Images],
        device: torch.device = CPU,
    ) -> None:
        self._pruner = pruner
        self._normalisation = normalisation
        self._device = device
        self._batch = 50 if device == CPU else 1000  # what a cache holds, what fills a GPU
        self._recalibration = normalisation(recalibration).to(device)
        self._splits = splits
        self._inputs: dict[str, Tensor] = {}

    def __call__(self, genome: Sequence[int], split: str) -> Estimate:
        """Return the top-1 error of a candidate on a split.

        A device without room for the network raises MemoryError.
        """
        try:
            return self.error(self.network(genome), split)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
                raise MemoryError(str(error).splitlines()[0]) from error
            raise

    def network(self, genome: Sequence[int]) -> nn.Module:
        """Return the smaller network, BatchNorm recalibrated; the dense one as it was trained."""
        # Moving a network that shares parameters with the dense one would move that, too.
        network = self._pruner.cut(genome, shared=self._device == CPU).to(self._device)
        if self._pruner.is_dense(genome):
            return network
        return recalibrate(network, self._recalibration)

    def error(self, network: nn.Module, split: str) -> Estimate:
        """Return the top-1 error of a network on a split."""
        if split not in self._inputs:
            self._inputs[split] = self._normalisation(self._splits[split]).to(self._device)
        labels = torch.from_numpy(self._splits[split].labels)
        found = predictions(network, self._inputs[split], batch=self._batch).cpu()
        wrong = int((found != labels).sum())
        return error_estimate(wrong, len(labels))
