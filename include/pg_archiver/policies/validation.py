"""What pydantic finds wrong, said as the house says it: where, which setting, what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pg_archiver.errors import PolicyError

_Model = TypeVar("_Model", bound=BaseModel)
_LONGEST_VALUE = 200
# A value that may be a person's data and as long as they like.
_UNSAID = "config"


def validate(model: type[_Model], value: object, where: str, *, names: Mapping[str, str] | None = None) -> _Model:
    """Return the value as the model has it; `names` are those that the settings have where the value comes from.

    Raises:
        PolicyError: it does not fit; the message begins with `where` and names each setting.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = "; ".join(
            f"{_say_place(problem['loc'], names or {})}: {_say_problem(problem)}"
            for problem in error.errors(include_url=False)
        )
        raise PolicyError(f"{where}: {problems}") from None


def _say_place(place: tuple[int | str, ...], names: Mapping[str, str]) -> str:
    return ".".join(names.get(str(part), str(part)) for part in place) or "entry"


def _say_problem(problem: Mapping[str, Any]) -> str:
    if problem["type"] == "extra_forbidden":
        return "no such setting. Check its spelling"
    if not problem["loc"] or problem["loc"][0] == _UNSAID:
        return str(problem["msg"])
    value = repr(problem["input"])
    return f"{problem['msg']} (it is {value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE] + '...'})"
