"""Preparation: graphs made ready for a target once, and what they are fed there."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .latency import Call
from .quantised import CALIBRATION_IMAGES, quantised
from .session import Inputs, open_ready, open_session, random_inputs, ready_for
from .target import Target


@dataclass(frozen=True, slots=True)
class Prepared:
    """A graph in a target's precision, the same as it is run there, and what it is fed."""

    model: bytes
    ready: bytes
    target: Target
    inputs: Inputs
    name: str

    def open(self) -> Call:
        """Open a session of its own, and return what runs it once."""
        session = open_ready(self.ready, self.target, name=self.name)
        return lambda: session.run(None, self.inputs)


class Preparation:
    """Prepares graphs that take the same inputs; those for int8 are quantised."""

    def __init__(
        self,
        example: bytes,
        target: Target,
        *,
        calibration: NDArray[np.float32] | None = None,
        sizes: Mapping[str, int] | None = None,
        name: str = "the model",
    ) -> None:
        """Look at what one of the graphs takes, and draw it.

        Args:
            example: the graph.
            target: what the graphs run on.
            calibration: images to quantise by, normalised, shape (images, channels, height, width);
                without any, random numbers: the latency does not depend on them.
            sizes: of dimensions that the graphs leave free, by name.
            name: what errors call the graphs.

        Raises:
            ValueError: target or example cannot be used; a size is missing; int8 for a graph that
                takes something else than images alone.
        """
        session = open_session(example, Target(provider=target.provider), name=name)
        self._target, self._name = target, name
        self._inputs = random_inputs(session, target.batch, sizes)
        self._input = session.get_inputs()[0].name
        self._calibration = calibration
        if target.precision == "int8":
            if len(self._inputs) != 1:
                raise ValueError(
                    f"{name} has {len(self._inputs)} inputs: int8 is for one that takes images"
                )
            if calibration is None:
                drawn = random_inputs(session, CALIBRATION_IMAGES, sizes)[self._input]
                self._calibration = drawn.astype(np.float32)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of what the graphs are fed, by the inputs' names."""
        return {name: values.shape for name, values in self._inputs.items()}

    def __call__(self, model: bytes) -> Prepared:
        """Make a graph ready."""
        if self._target.precision == "int8":
            assert self._calibration is not None
            model = quantised(model, self._input, self._calibration)
        ready = ready_for(self._target, model, name=self._name)
        return Prepared(model, ready, self._target, self._inputs, self._name)
