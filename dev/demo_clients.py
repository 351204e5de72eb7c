"""The five clients of the demo, and what must become of their rows, reckoned without the archiver."""

from dataclasses import dataclass
from datetime import datetime, timedelta

KEEP_EVERYTHING = -1


@dataclass(frozen=True)
class Events:
    """Rows at even distances: number i, from 0 on, happened i steps before the data were loaded."""

    count: int
    step: timedelta

    def due(self, loaded_at: datetime, cutoff: datetime) -> int:
        """Return how many of them lie before `cutoff`."""
        first = max(0, (loaded_at - cutoff) // self.step + 1)
        return max(0, self.count - first)


@dataclass(frozen=True)
class DemoClient:
    """One client: where its rows are, how many days the demo keeps, and its events if we make them.

    `summed` is a column whose total is checked besides.
    """

    name: str
    database: str
    schema: str
    table: str
    timestamp_column: str
    keep_days: int
    events: Events | None = None
    summed: str | None = None

    @property
    def keeps_everything(self) -> bool:
        """Whether no row is ever due."""
        return self.keep_days == KEEP_EVERYTHING

    @property
    def folder(self) -> str:
        """The beginning of the keys of its objects."""
        return f"client={self.name}/schema={self.schema}/table={self.table}/"

    def cutoff(self, moment: datetime) -> datetime | None:
        """Return the time before which rows are due in a run at `moment`, None when it keeps everything."""
        return None if self.keeps_everything else moment - timedelta(days=self.keep_days)

    def expected(self, loaded_at: datetime, moment: datetime) -> int | None:
        """Return how many rows a run at `moment` must archive, None when it cannot be said beforehand."""
        cutoff = self.cutoff(moment)
        if cutoff is None:
            return 0
        return self.events.due(loaded_at, cutoff) if self.events else None


def _client(name: str, keep_days: int, events: Events) -> DemoClient:
    return DemoClient(name, name, "analytics", "events", "triggered_at", keep_days, events)


_HOURLY = Events(720, timedelta(hours=1))
_BUSY = Events(300_000, timedelta(days=3) / 300_000)

BANK = DemoClient("bank", "pgbench", "public", "pgbench_history", "mtime", keep_days=0, summed="delta")
EVENT_CLIENTS = (
    _client("acme", 2, _HOURLY),
    _client("globex", 7, _HOURLY),
    _client("initech", KEEP_EVERYTHING, _HOURLY),
    _client("umbrella", 2, _BUSY),
)
CLIENTS = (*EVENT_CLIENTS, BANK)

VARIABLES = {"archive_keep_days__globex": "7", "archive_keep_days__initech": "-1"}
"""The Airflow Variables of the demo. Without `archive_keep_days` the default of 2 days holds for the others."""
