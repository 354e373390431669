"""Settings: declared as models, changed by `name=value`, checked with errors that name the nearest right name.

A setting inside another is written with a dot: `noise.sigma=[0,5]`. Values are JSON; what is not JSON is text, or in
brackets a list of texts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import SettingError


class Settings(BaseModel):
    """Base of all settings: immutable, strict about names and types, infinite and NaN refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


def _ordered(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError(f"the first of {list(ends)} is the larger; write the smaller one first")
    return ends


def _above_zero(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] > 0:
        raise ValueError("it begins at 0; begin above it")
    return ends


# Tuples come as lists out of JSON, which strict models would refuse.
type NonNegative = Annotated[float, Field(ge=0)]
type Probability = Annotated[float, Field(ge=0, le=1)]
type Range = Annotated[tuple[NonNegative, NonNegative], Field(strict=False), AfterValidator(_ordered)]
"""The lowest and the highest, from 0; a value is drawn uniformly between them."""
type ShareRange = Annotated[tuple[Probability, Probability], Field(strict=False), AfterValidator(_ordered)]
"""The same, to 1 at most."""
type PositiveRange = Annotated[Range, AfterValidator(_above_zero)]


class Shares(Settings):
    """How often each of several is drawn, in proportion: every field is one of them."""

    @model_validator(mode="after")
    def _any(self) -> Self:
        if not sum(self.shares.values()) > 0:
            raise ValueError("all of them are 0; give one more")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """By name, in the order of the fields."""
        return self.model_dump()


def changed[S: Settings](settings: S, assignments: Sequence[str]) -> S:
    """Settings with some of them changed.

    Args:
        settings: what holds where nothing is said.
        assignments: `name=value` each; a later one overrides an earlier one.

    Raises:
        SettingError: a name is unknown, or a value is ill-typed or out of range.
    """
    values = settings.model_dump()
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise SettingError(f"{assignment!r} is not name=value; write for example {_example(values)}")
        _assign(values, name, _value(text))
    try:
        return type(settings).model_validate(values)
    except ValidationError as error:
        raise SettingError(_told(error)) from error


def _assign(values: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    place = values
    for depth, part in enumerate(path):
        if not isinstance(place.get(part), dict):
            raise SettingError(_unknown(".".join(path[: depth + 1]), part, place))
        place = place[part]
    if last not in place:
        raise SettingError(_unknown(name, last, place))
    place[last] = value


def _unknown(name: str, part: str, place: dict[str, Any]) -> str:
    close = get_close_matches(part, place, n=1)
    before = name[: len(name) - len(part)]
    hint = (
        f"did you mean {before + close[0]!r}?" if close else f"there are {', '.join(before + each for each in place)}"
    )
    return f"{name!r} is not a setting; {hint}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if text.startswith("[") and text.endswith("]"):
            return [_value(each.strip()) for each in text[1:-1].split(",")]
        return text


def _told(error: ValidationError) -> str:
    """The first of the faults, with the setting's name and what it was given."""
    fault = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in fault["loc"])
    if not name:  # settings that do not go together: the message names them
        return fault["msg"].removeprefix("Value error, ")
    return f"{name}={json.dumps(fault['input'], default=str)} is refused: {fault['msg']}"


def _example(values: dict[str, Any]) -> str:
    name = next(iter(values))
    return f"{name}={json.dumps(values[name])}" if not isinstance(values[name], dict) else f"{name}.…"
