"""Random secrets in files that only their owner can read."""

import os
import secrets
import shutil
from pathlib import Path


def write_secret(path: Path, text: str, owner: str | None = None) -> None:
    """Write `text` to `path`, readable by nobody but us, or `owner` (root only)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if owner:
        shutil.chown(path, owner)


def kept_secret(path: Path) -> str:
    """Return the secret in `path`; a random one of 64 letters, digits, - and _ is written there first."""
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(48))
    return path.read_text()
