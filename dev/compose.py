"""docker-compose.yaml read as docker compose reads it: what each service is started with, variables filled in."""

import re
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dev.processes import ProcessError

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:?[-?])([^}]*))?\})")


class ComposeFile:
    """The services of one compose file."""

    def __init__(self, path: Path, variables: Mapping[str, str]) -> None:
        """`variables` is what a .env would hold."""
        self._path = path
        self._variables = dict(variables)

    @cached_property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services as the file writes them, anchors resolved, variables not."""
        services: dict[str, dict[str, Any]] = yaml.safe_load(self._path.read_text(encoding="utf-8"))["services"]
        return services

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment that the service's container gets from the file."""
        environment: dict[str, object] = self.services[service].get("environment", {})
        return {name: self.interpolated(str(value)) for name, value in environment.items()}

    def command(self, service: str) -> list[str]:
        """Return the service's command, word by word."""
        command = self.services[service]["command"]
        return [self.interpolated(word) for word in (shlex.split(command) if isinstance(command, str) else command)]

    def health_check(self, service: str) -> list[str]:
        """Return the command of the service's health check, word by word."""
        kind, *words = self.services[service]["healthcheck"]["test"]
        words = [self.interpolated(word) for word in words]
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else words

    def interpolated(self, text: str) -> str:
        """Return `text` with `${NAME}`, `${NAME:-default}` and `${NAME:?message}` filled in and `$$` as `$`.

        Raises ProcessError when a variable that the file asks for is not set.
        """
        return _VARIABLE.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        dollar, name, operator, word = match.groups()
        if dollar:
            return "$"
        value = self._variables.get(name, "")
        if value or operator is None:
            return value
        if operator.endswith("?"):
            raise ProcessError(f"{self._path.name}: {name} is not set: {word}")
        return str(word)
