"""Tell when checkpoints are due by time, as in the paper: every 10 minutes (section 6.1)."""

from time import monotonic

from nmt.config import TrainSettings


class CheckpointTimer:
    """Measures the time since the start of a training or its last checkpoint."""

    def __init__(self, settings: TrainSettings, *, decides: bool) -> None:
        """Start now; decides: False on workers that leave the decision to the first one."""
        self._seconds = 60 * settings.checkpoint_minutes if decides else 0.0
        self.restart()

    def restart(self) -> None:
        """Measure from now on."""
        self._started = monotonic()

    def is_due(self) -> bool:
        """Return True if `train.checkpoint_minutes` are set and have passed."""
        return bool(self._seconds) and monotonic() - self._started >= self._seconds
