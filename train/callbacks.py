"""What a training does at every step besides the step: set its size, and tell how far it is."""

from __future__ import annotations

import keras

from ..common.progress import Progress
from .options import TrainOptions
from .schedule import learning_rate

_STEPS_BETWEEN_UPDATES = 5


class ScheduleCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Set the learning rate of every step by its place in the whole training."""

    def __init__(self, options: TrainOptions, *, done: int, steps: int) -> None:
        super().__init__()
        self._options, self._done, self._steps = options, done, steps

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Set the rate of the step that begins."""
        options = self._options
        rate = learning_rate(
            self._done + batch,
            self._steps,
            schedule=options.schedule,
            peak=options.learning_rate,
            warmup=options.warmup,
        )
        self.model.optimizer.learning_rate.assign(rate)


class ProgressCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Tell `progress` of the steps of one epoch, not of every one: each telling waits for the step's result."""

    def __init__(self, progress: Progress, stage: str, steps: int) -> None:
        super().__init__()
        self._progress, self._stage, self._steps = progress, stage, steps

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Tell that it begins."""
        self._progress(self._stage, 0, self._steps)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Tell how many steps are done."""
        done = batch + 1
        if done % _STEPS_BETWEEN_UPDATES == 0 or done == self._steps:
            self._progress(self._stage, done, self._steps)
