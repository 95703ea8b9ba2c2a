"""What TensorBoard shows of a training: the event files that it reads, written by TensorFlow alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf

from .run_folder import EpochRecord, RunFolder


@dataclass(frozen=True)
class EventLog:
    """Writes one point an epoch for every column of the history, and one for the learning rate.

    Attributes:
        writer: TensorFlow's; None writes nothing.
    """

    writer: Any = None

    @classmethod
    def of(cls, folder: RunFolder, *, wanted: bool) -> EventLog:
        """Open the log of a run, if it is wanted."""
        return cls(tf.summary.create_file_writer(str(folder.events)) if wanted else None)

    def write(self, record: EpochRecord, learning_rate: float) -> None:
        """Write the points of one epoch, and make sure that they are on the disk."""
        if self.writer is None:
            return
        with self.writer.as_default(step=record.epoch):
            for name, value in {**asdict(record), "learning_rate": learning_rate}.items():
                if name != "epoch":
                    tf.raw_ops.WriteScalarSummary(
                        writer=self.writer._resource,  # the public function is in the package tensorboard
                        step=record.epoch,
                        tag=name,
                        value=tf.cast(value, tf.float32),
                    )
        self.writer.flush()
