"""Where a Postgres server's program and data lie, so that the account it runs as can reach them."""

import shutil
import tempfile
from pathlib import Path

from dev.accounts import can_use, give, server_user

_MOVED_TO = "moved-to"


class ServerFiles:
    """The binaries and the data folder of one server.

    Normally both stay where they are. When root starts the server and they lie below a folder that the
    server's account cannot enter (a home of mode 0700), the server runs from a temporary folder:
    a copy of the binaries, and the data itself, which `release` moves back.
    """

    def __init__(self, directory: Path, binaries: Path) -> None:
        """`directory` is the folder that keeps the data, `binaries` the one that holds `postgres`."""
        self.user = server_user()
        self.binaries = binaries
        self._installed_binaries = binaries
        self._directory = directory
        self._kept_data = directory / "data"
        self.data = self._kept_data

    def claim(self) -> None:
        """Bring program and data where the server's account can use them."""
        self.release()
        self._directory.mkdir(parents=True, exist_ok=True)
        if self.user is None:
            return
        self._kept_data.mkdir(mode=0o700, exist_ok=True)
        give(self.user, self._kept_data)
        reachable = can_use(self.user, self._kept_data, "rwx")
        runnable = can_use(self.user, self.binaries / "postgres", "rx")
        if not (reachable and runnable):
            self._move_out(with_data=not reachable, with_binaries=not runnable)

    def release(self) -> None:
        """Move the data back to its own folder and remove the temporary one."""
        self._recover()
        self.data = self._kept_data
        self.binaries = self._installed_binaries

    def _move_out(self, *, with_data: bool, with_binaries: bool) -> None:
        assert self.user is not None  # noqa: S101  # only root gets here
        temporary = Path(tempfile.mkdtemp(prefix="postgres-"))
        # Noted first, so that the next start finds the data even after kill -9.
        (self._directory / _MOVED_TO).write_text(str(temporary))
        if with_binaries:
            installation = temporary / "installation"
            shutil.copytree(self.binaries.parent, installation, symlinks=True)
            self.binaries = installation / self.binaries.name
        if with_data:
            shutil.move(self._kept_data, temporary / "data")
            self.data = temporary / "data"
        give(self.user, temporary)

    def _recover(self) -> None:
        note = self._directory / _MOVED_TO
        if not note.exists():
            return
        temporary = Path(note.read_text())
        if (temporary / "data").exists():
            shutil.move(temporary / "data", self._kept_data)
        shutil.rmtree(temporary, ignore_errors=True)
        note.unlink()
