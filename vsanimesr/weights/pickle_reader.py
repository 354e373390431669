"""Reads the subset of pickle that state dicts use.

A pickle is a program for a stack machine. Python's `pickle.Unpickler` runs any such program. A subclass can refuse
globals, but not a memo with 2^31 entries, nor a dict key that is a nested tuple whose hash takes exponential time. The
machine here implements only the instructions that `torch.save` writes for a state dict. It builds only dicts with text
as keys, lists, tuples, text and numbers, and calls only given functions. Its time and memory are proportional to the
length of the program, which is limited.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Any

_MAX_INSTRUCTIONS = 100_000  # the released files have 2,200; this many take a tenth of a second


@dataclass(frozen=True)
class Global:
    """A name such as `torch.FloatStorage`, as a value in a pickle. `call` is the function it stands for, if any."""

    name: str
    call: Callable[..., object] | None


def read_pickle(
    program: bytes, functions: Mapping[str, Callable[..., object] | None], persistent: Callable[[object], object]
) -> object:
    """Run a pickle and return its result.

    Args:
        program: the pickle.
        functions: for each permitted global (`module.name`) the function to call; None if it may not be called.
        persistent: returns the object for a persistent id.

    Raises:
        ValueError: the pickle is damaged, too long, or uses something that a state dict does not need.
    """
    machine = _Machine(functions, persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(program)):
            if opcode.name == "STOP":
                break
            if count == _MAX_INSTRUCTIONS:
                raise ValueError(f"the pickle has more than {_MAX_INSTRUCTIONS} instructions; no state dict needs them")
            machine.step(opcode.name, argument)
        return machine.stack.pop()
    # An empty stack; a missing memo entry; an invalid escape in a name, if warnings are errors.
    except (IndexError, KeyError, DeprecationWarning) as error:
        raise ValueError(f"damaged pickle: {type(error).__name__} {error}") from error


_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


class _Machine:
    def __init__(
        self, functions: Mapping[str, Callable[..., object] | None], persistent: Callable[[object], object]
    ) -> None:
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []  # one stack for each open MARK
        self._memo: dict[int, Any] = {}
        self._functions = functions
        self._persistent = persistent

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_TUPLE":
                stack.append(_CONSTANTS[name])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "MARK":
                self._below.append(stack)
                self.stack = []
            case "TUPLE":
                items = self._pop_to_mark()
                self.stack.append(tuple(items))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [stack.pop() for _ in range(int(name[-1]))]
                stack.append(tuple(reversed(items)))
            case "APPEND":
                item = stack.pop()
                self._top(list).append(item)
            case "APPENDS":
                items = self._pop_to_mark()
                self._top(list).extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set_items([key, value])
            case "SETITEMS":
                self._set_items(self._pop_to_mark())
            case "GLOBAL":
                stack.append(self._global(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(self._global(module, attribute))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_call(function, arguments))
            case "BUILD":  # sets attributes; those of a state dict (its `_metadata`) are not needed
                stack.pop()
                self._top(dict)
            case "BINPERSID":
                stack.append(self._persistent(stack.pop()))
            case _:
                raise ValueError(f"the pickle uses the instruction {name}, which no state dict needs")

    def _pop_to_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self._below.pop()
        return items

    def _top[T](self, kind: type[T]) -> T:
        top = self.stack[-1]
        if type(top) is not kind:
            raise ValueError(f"damaged pickle: a {type(top).__name__} instead of a {kind.__name__}")
        return top

    def _set_items(self, items: list[Any]) -> None:
        target = self._top(dict)
        if len(items) % 2:
            raise ValueError("damaged pickle: a key without a value")
        for key, value in batched(items, 2):
            if type(key) is not str:
                raise ValueError(f"the pickle has a {type(key).__name__} as a key; the keys of a state dict are text")
            if key in target:
                raise ValueError(f"the key {key[:100]!r} occurs twice")
            target[key] = value

    def _global(self, module: object, attribute: object) -> Global:
        if type(module) is not str or type(attribute) is not str:
            raise ValueError("damaged pickle: the name of a global is not text")
        name = f"{module}.{attribute}"
        if name not in self._functions:
            permitted = ", ".join(self._functions)
            raise ValueError(f"the pickle refers to {name[:100]}; only {permitted} are permitted, and nothing was run")
        return Global(name, self._functions[name])


def _call(function: object, arguments: object) -> object:
    if not isinstance(function, Global) or function.call is None or type(arguments) is not tuple:
        what = function.name if isinstance(function, Global) else f"a {type(function).__name__}"
        raise ValueError(f"the pickle calls {what} with a {type(arguments).__name__}; nothing was run")
    return function.call(*arguments)
