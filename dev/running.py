"""What can be started and stopped, as a context manager."""

from abc import ABC, abstractmethod
from typing import Self


class Running(ABC):
    """Runs in a `with` block, and no longer."""

    @abstractmethod
    def start(self) -> None:
        """Start it, all of it or nothing."""

    @abstractmethod
    def stop(self) -> None:
        """Stop what runs of it."""

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()
