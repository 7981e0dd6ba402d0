"""`realtime simulator`: help and completion in the style of the other commands.

The simulator, which works without this package, reads the words itself; its parsers are loaded when needed.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import Any

import typer
import typer.core

from ._output import write

_PROGRAM = "realtime simulator"


class _Words:
    """Reads help itself and leaves all other words, also `--` and what follows it, to the simulator."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # for completion
            return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]
        if {"-h", "--help"} & {*args[: args.index("--") if "--" in args else None]}:
            write(ctx.get_help())
            raise typer.Exit()
        ctx.args = args
        return []


class _Command(_Words, typer.core.TyperCommand):
    """A command of a simulator."""

    def invoke(self, ctx: Any) -> None:
        _run([str(self.name), *ctx.args])


class _Simulator(_Words, typer.core.TyperGroup):
    """The simulator, which serves unless a command follows."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] in _commands():
            return typer.core.TyperGroup.parse_args(self, ctx, args)
        ctx.meta[_PROGRAM] = True
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        if _PROGRAM in ctx.meta:
            _run(ctx.args)
        return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        from realtime_simulator.cli import arguments

        return [*_parameters(arguments(_PROGRAM)), *super().get_params(ctx)]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_commands())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _commands().get(cmd_name)


simulator: typer.Typer = typer.Typer(
    cls=_Simulator, invoke_without_command=True, help="Serve the simulator, or control one that serves."
)


def _run(words: list[str]) -> None:
    from realtime_simulator.cli import main

    raise typer.Exit(main(words, program=_PROGRAM))


@functools.cache
def _commands() -> dict[str, _Command]:
    from realtime_simulator.cli import commands

    return {
        name: _Command(
            name=name,
            params=_parameters(parser),
            help=parser.description,
            epilog=f"\b\n{parser.epilog.replace('%%', '%')}" if parser.epilog else None,
            rich_markup_mode=None,
        )
        for name, parser in commands(_PROGRAM).items()
    }


def _parameters(parser: argparse.ArgumentParser) -> list[Any]:
    return [
        _parameter(action)
        for action in parser._actions  # argparse has no other way to them
        if action.dest != "help"
    ]


def _parameter(action: argparse.Action) -> Any:
    choices = [str(choice) for choice in action.choices or ()]
    shared: dict[str, Any] = {
        "help": _sentence((action.help or "").replace("%%", "%")),
        "metavar": action.metavar or (f"[{'|'.join(choices)}]" if choices else None),
        "autocompletion": _completing(choices) if choices else None,
        "required": action.required,
    }
    if not action.option_strings:
        return typer.core.TyperArgument(
            param_decls=[action.dest], nargs=-1 if action.nargs == "+" else 1, **shared
        )
    if action.nargs == 0:
        shared |= {"is_flag": True, "metavar": None}
    return typer.core.TyperOption(param_decls=[*action.option_strings], **shared)


def _sentence(text: str) -> str:
    first = text.partition(" ")[0]
    start = text[:1].upper() if first.isalpha() and first.islower() else text[:1]
    return f"{start}{text[1:]}." if text else ""


def _completing(choices: list[str]) -> Callable[..., list[str]]:
    return lambda ctx, args, incomplete: [one for one in choices if one.startswith(incomplete)]
