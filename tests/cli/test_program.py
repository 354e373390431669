"""The protocol of commands: help from docstrings, arguments, errors and exit codes, the same in both programs."""

from __future__ import annotations

import argparse
import io
import logging
import sys
import types

import pytest

import trainer.cli
import trainer.cli.lbo
import vsanimesr.cli
from trainer.errors import TrainerError
from vsanimesr.cli import program
from vsanimesr.errors import OptionError

PROGRAMS = {"animesr": vsanimesr.cli, "python -m trainer": trainer.cli}
COMMANDS = [(prog, name) for prog, module in PROGRAMS.items() for name in module.COMMANDS if name != "train"]
"""All commands but `animesr train`, which prints the help of the trainer."""


@pytest.fixture(autouse=True)
def root_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a program sets up for the whole process."""
    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])


def read_help(prog: str, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        PROGRAMS[prog].main([*arguments, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("prog", PROGRAMS)
def test_the_help_has_a_summary_and_an_example_for_each_command(prog: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = read_help(prog, capsys=capsys)

    _, examples = text.split("\nexamples:\n")
    assert len(examples.splitlines()) == len(PROGRAMS[prog].COMMANDS)
    for name, command in PROGRAMS[prog].COMMANDS.items():
        summary = (command.__doc__ or "").partition("\n")[0]
        assert " ".join(summary.split()) in " ".join(text.split())
        assert any(f"{line} ".startswith(f"  {prog} {name} ") for line in examples.splitlines())


@pytest.mark.parametrize(("prog", "name"), COMMANDS, ids=lambda value: str(value))
def test_the_help_of_a_command_ends_with_its_example(prog: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = read_help(prog, name, capsys=capsys)

    assert text.startswith(f"usage: {prog} {name} [-h]")
    example = text.split("\nexample:\n")[1]
    assert example
    assert all(line.startswith(f"  {prog} {name}") for line in example.splitlines())


@pytest.mark.parametrize("part", trainer.cli.lbo.PARTS)
def test_the_help_of_a_nested_command(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = read_help("python -m trainer", "lbo", part, capsys=capsys)

    assert text.startswith(f"usage: python -m trainer lbo {part} [-h]")
    assert f"\nexample:\n  python -m trainer lbo {part} " in text


class Command(types.ModuleType):
    """A command that records its arguments."""

    def __init__(self, error: BaseException | None = None, **attributes: object) -> None:
        super().__init__("command", "Test it.\n\nWith 100 % of it.\n\nExample:\n  test it 100%\n")
        self.error = error
        self.args = argparse.Namespace()
        self.__dict__.update(attributes)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--number", type=int)
        if hasattr(self, "PASS_THROUGH"):
            parser.add_argument("arguments", nargs=argparse.REMAINDER)
        else:
            parser.add_argument("assignments", nargs="*")

    def run(self, args: argparse.Namespace) -> int:
        self.args = args
        if self.error:
            raise self.error
        return 7


def run(command: Command, *arguments: str, label: str = "") -> int:
    commands = {"it": command}
    parser = program.build_parser("test", "Test.", commands)
    return program.exit_code(
        lambda: program.run_program(parser, commands, ["it", *arguments], label=label), label=label
    )


def test_the_exit_code_is_that_of_the_command() -> None:
    assert run(Command()) == 7


def test_name_and_value_may_follow_an_option() -> None:
    command = Command()
    run(command, "a=1", "--number", "3", "b=2")

    assert (command.args.number, command.args.assignments) == (3, ["a=1", "b=2"])


@pytest.mark.parametrize("wrong", ["--numbers=3x", "--wrong=1", "word"])
def test_everything_else_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(Command(), "a=1", "--number", "3", "b=2", wrong)

    assert caught.value.code == 2
    assert f"unrecognized arguments: {wrong}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["-h", "x"], ["x", "--number", "3"], [], ["--other", "x", "a=1"]])
def test_arguments_are_passed_through(arguments: list[str]) -> None:
    command = Command(PASS_THROUGH=True, add_arguments=lambda p: p.add_argument("arguments", nargs=argparse.REMAINDER))
    run(command, *arguments)

    assert command.args.arguments == arguments


@pytest.mark.parametrize(("label", "line"), [("", "error: x=1 is wrong"), ("test: ", "test: x=1 is wrong")])
@pytest.mark.parametrize("error", [OptionError("x=1 is wrong"), TrainerError("x=1 is wrong")])
def test_an_error_is_a_line_on_stderr(
    error: Exception, label: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Command(error), label=label) == 1
    assert capsys.readouterr() == ("", f"{line}\n")


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Command(KeyboardInterrupt()), label="test: ") == 130
    assert capsys.readouterr() == ("", "test: cancelled\n")


def test_other_exceptions_are_not_caught() -> None:
    with pytest.raises(ZeroDivisionError):
        run(Command(ZeroDivisionError()))


def test_the_trainer_gets_all_arguments_of_train(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        vsanimesr.cli.main(["train", "lbo", "train", "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("usage: animesr train lbo train [-h]")

    assert vsanimesr.cli.main(["train", "vsr-l1", "-o", "nowhere", "batchh=3"]) == 1
    assert "did you mean 'batch'?" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["torch", "pydantic"])
@pytest.mark.parametrize("prog", ["vsanimesr.cli.train", "trainer.__main__"])
def test_training_without_its_packages(
    module: str, prog: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in {"trainer", module}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)  # its import fails
    if prog == "vsanimesr.cli.train":
        code = vsanimesr.cli.main(["train", "debug"])
    else:
        import runpy

        monkeypatch.setattr(sys, "argv", ["trainer", "debug"])
        with pytest.raises(SystemExit) as caught:
            runpy.run_module("trainer", run_name="__main__")
        code = caught.value.code  # type: ignore[assignment]

    assert code == 1
    said = capsys.readouterr().err
    assert (
        f'training needs the package {module}, which is not installed; pip install "vapoursynth-animesr[train]"' in said
    )
    assert len(said.splitlines()) == 1


def test_a_pipe_that_takes_few_characters_gets_the_others_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, whose pipes take those of one language."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))

    class Show(Command):
        def run(self, args: argparse.Namespace) -> int:
            print("caf\u00e9 \u30a2")
            return 0

    assert run(Show()) == 0
    sys.stdout.flush()
    assert written.getvalue().split(b" ")[0] == "caf\u00e9".encode("cp1252")
    assert written.getvalue().split(b" ")[1].startswith(b"\\u30a2")
