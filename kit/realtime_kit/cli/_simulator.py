"""`realtime simulator`: help and completion in the style of the other commands.

The simulator, which works without this package, reads the words itself; its parsers are loaded when needed.
"""

from __future__ import annotations

import argparse
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

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
        return [*_described().params, *super().get_params(ctx)]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_commands())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _commands().get(cmd_name)


simulator: typer.Typer = typer.Typer(
    cls=_Simulator, invoke_without_command=True, help="Serve the simulator, or control a running one."
)


class Shortcut(_Words, typer.core.TyperCommand):
    """A command of the simulator, without the word before it."""

    def invoke(self, ctx: Any) -> None:
        from realtime_simulator.cli import main

        raise typer.Exit(main([str(self.name), *ctx.args], program="realtime"))

    def get_params(self, ctx: Any) -> list[Any]:
        return [*_commands()[str(self.name)].params, *super().get_params(ctx)]


def rehearse() -> None:
    """Test a voice app with scripted callers, and report results.

    The app must use this simulator: key and webhook secret come from the environment, or are set for --app.
    The exit status is 1 if a call fails or something got worse, 2 for wrong usage, 3 if no app answers.
    """


def step() -> None:
    """Step through a recorded session, and run on from an event.

    See the session, items, audio and tools as they were at an event, change one event or answer, and run on
    from there in a simulator.
    """


def _run(words: list[str]) -> None:
    from realtime_simulator.cli import main

    raise typer.Exit(main(words, program=_PROGRAM))


def _commands() -> dict[str, Any]:
    return dict(_described().commands)


@functools.cache
def _described() -> Any:
    """Return a group of commands with the options and arguments that the simulator's parsers describe."""
    from realtime_simulator.cli import arguments, commands

    group = typer.Typer(add_completion=False, rich_markup_mode=None)
    group.callback()(_function(arguments(_PROGRAM)))
    for name, parser in commands(_PROGRAM).items():
        epilog = f"\b\n{parser.epilog.replace('%%', '%')}" if parser.epilog else None
        group.command(name, cls=_Command, help=parser.description, epilog=epilog)(_function(parser))
    return typer.main.get_command(group)


def _function(parser: argparse.ArgumentParser) -> Callable[..., None]:
    """Return a function, never called, whose parameters typer takes for those of a parser."""

    def described() -> None: ...

    actions = [one for one in parser._actions if one.dest != "help"]  # argparse has no other way to them
    parameters = [_parameter(action) for action in actions]
    described.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    described.__annotations__ = {one.name: one.annotation for one in parameters}
    return described


def _parameter(action: argparse.Action) -> inspect.Parameter:
    choices = [str(choice) for choice in action.choices or ()]
    shared: dict[str, Any] = {
        "help": _sentence((action.help or "").replace("%%", "%")),
        "metavar": action.metavar or (f"[{'|'.join(choices)}]" if choices else None),
        "autocompletion": _completing(choices) if choices else None,
        "show_default": False,
    }
    kind: Any = str
    if not action.option_strings:
        kind, info = (list[str] if action.nargs == "+" else str), typer.Argument(**shared)
    elif action.nargs == 0:
        kind, info = bool, typer.Option(*action.option_strings, **shared | {"metavar": None})
    else:
        info = typer.Option(*action.option_strings, **shared)
    return inspect.Parameter(
        action.dest,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if action.required else None,
        annotation=Annotated[kind, info],
    )


def _sentence(text: str) -> str:
    first = text.partition(" ")[0]
    start = text[:1].upper() if first.isalpha() and first.islower() else text[:1]
    return f"{start}{text[1:]}." if text else ""


def _completing(choices: list[str]) -> Callable[..., list[str]]:
    return lambda ctx, args, incomplete: [one for one in choices if one.startswith(incomplete)]
