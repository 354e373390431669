"""Settings: pydantic models that are changed with `name=value`, with errors that suggest the nearest name.

A dot leads to a setting inside a group: `noise.sigma=[0,5]`. Values are JSON. What is not JSON is text, or in brackets
a list of texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vsanimesr.errors import suggestion

from .errors import SettingError


class Settings(BaseModel):
    """Base of all settings: immutable, strict about names and types, without infinity and NaN.

    The docstring below a field describes it to the user (`describe`). The docstring of a class describes the group.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, strict=True, use_attribute_docstrings=True
    )


def _require_order(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError(f"the first of {list(ends)} is the larger; write the smaller one first")
    return ends


def _require_above_zero(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] > 0:
        raise ValueError("it begins at 0; begin above it")
    return ends


# Tuples come as lists out of JSON, which strict models would refuse.
type NonNegative = Annotated[float, Field(ge=0)]
type Probability = Annotated[float, Field(ge=0, le=1)]
type Range = Annotated[tuple[NonNegative, NonNegative], Field(strict=False), AfterValidator(_require_order)]
"""Lowest and highest value, from 0 up. A value is sampled uniformly between them."""
type ShareRange = Annotated[tuple[Probability, Probability], Field(strict=False), AfterValidator(_require_order)]
"""A range within 0 and 1."""
type PositiveRange = Annotated[Range, AfterValidator(_require_above_zero)]
"""A range above 0."""


class Shares(Settings):
    """Relative frequencies of alternatives. Each field is an alternative."""

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if not sum(self.shares.values()) > 0:
            raise ValueError("all of them are 0; give one more")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Frequencies by name, in the order of the fields."""
        return self.model_dump()


@dataclass(frozen=True)
class Description:
    """A setting, described to the user."""

    name: str
    """Name with its groups: `noise.sigma`."""
    value: str
    """Value as it is written in `name=value`."""
    text: str
    choices: tuple[str, ...]
    """The allowed values of a setting that has a fixed list of them."""
    group: str
    """Text of the group that the setting is in."""


def describe(settings: Settings, prefix: str = "") -> Iterator[Description]:
    """Yield every setting with its value and text, group by group.

    Args:
        prefix: name of the group with a dot at its end.
    """
    group = _join_lines((type(settings).__doc__ or "").partition("\n\n")[0])
    nested: list[tuple[str, Settings]] = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Settings):
            nested.append((name, value))
            continue
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        text = _join_lines(field.description or "")
        yield Description(prefix + name, _write_value(value), text, choices, group)
    for name, value in nested:
        yield from describe(value, f"{prefix}{name}.")


def _join_lines(text: str) -> str:
    return " ".join(text.split())


def _write_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def override[S: Settings](settings: S, assignments: Sequence[str]) -> S:
    """Return a copy of settings with some of them changed.

    Args:
        settings: the settings to start from.
        assignments: texts `name=value`. A later one overrides an earlier one.

    Raises:
        SettingError: a name is unknown, or a value has the wrong type or is out of range.
    """
    values = settings.model_dump()
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise SettingError(f"{assignment!r} is not name=value; write for example {_example(values)}")
        _assign(values, name, text)
    try:
        return type(settings).model_validate(values)
    except ValidationError as error:
        raise SettingError(_first_fault(error)) from error


def _assign(values: dict[str, Any], name: str, text: str) -> None:
    *path, last = name.split(".")
    group = values
    for depth, part in enumerate(path):
        if not isinstance(group.get(part), dict):
            raise SettingError(_unknown(".".join(path[: depth + 1]), part, group))
        group = group[part]
    if last not in group:
        raise SettingError(_unknown(name, last, group))
    group[last] = _parse_text(text) if isinstance(group[last], str) else _parse_value(text)


def _unknown(name: str, part: str, group: dict[str, Any]) -> str:
    prefix = name[: len(name) - len(part)]
    hint = suggestion(part, group, prefix=prefix) or f"there are {', '.join(prefix + each for each in group)}"
    return f"{name!r} is not a setting; {hint}"


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if text.startswith("[") and text.endswith("]"):
            return [_parse_value(each.strip()) for each in text[1:-1].split(",")]
        return text


def _parse_text(text: str) -> str:
    """Return the value of a text setting: a JSON string decoded, anything else (`2024`) unchanged."""
    value = _parse_value(text)
    return value if isinstance(value, str) else text


def _first_fault(error: ValidationError) -> str:
    """Return the first fault as a message with the setting's name and value."""
    fault = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in fault["loc"])
    if not name:  # a contradiction between settings: the message names them
        return fault["msg"].removeprefix("Value error, ")
    return f"{name}={json.dumps(fault['input'], default=str)} is refused: {fault['msg']}"


def _example(values: dict[str, Any]) -> str:
    name = next(iter(values))
    return f"{name}={json.dumps(values[name])}" if not isinstance(values[name], dict) else f"{name}.…"
