"""YAML without what nobody can have meant: a repeated key, half a character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    _Loader = yaml.SafeLoader
else:
    # Each task reads the file; libyaml, where PyYAML was built with it, does so several times as fast.
    _Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> object:
    """Return what a file holds.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
        yaml.YAMLError: it is not YAML, or repeats a key.
    """
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)


class _StrictLoader(_Loader):
    """YAML in which a repeated key is an error: of two `keep_days`, nobody can say which one was meant."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, times in keys.items():
            if times > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands {times} times in one mapping", node.start_mark
                )
        return super().construct_mapping(node, deep=deep)

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise yaml.constructor.ConstructorError(
                None, None, "half of a surrogate pair, as JSON escapes it. Write the character itself", node.start_mark
            )
        return value
