"""Whether a written command could be typed: its subcommand, options and arguments exist."""

from __future__ import annotations

from typing import Any

import typer.main

from bot.cli import app


def command_group() -> Any:
    """Return the `nightshift` command with all its subcommands."""
    return typer.main.get_command(app)


def problem_with(words: list[str]) -> str | None:
    """Return what is wrong with a `nightshift` command line (without its first word), or None."""
    return _problem(command_group(), words)


def _problem(command: Any, words: list[str]) -> str | None:
    options = {
        name: param
        for param in command.params
        if param.param_type_name == "option"
        for name in [*param.opts, *param.secondary_opts]
    }
    subcommands = getattr(command, "commands", None)
    waiting, arguments = list(words), 0
    while waiting:
        word = waiting.pop(0)
        if word == "--help":
            return None
        if word.startswith("-") and word != "-":
            name, has_value, _ = word.partition("=")
            if name not in options:
                return f"{command.name} has no option {name}"
            if not options[name].is_flag and not has_value:
                if not waiting:
                    return f"{name} lacks its value"
                waiting.pop(0)
        elif subcommands is None:
            arguments += 1
        elif word in subcommands:
            return _problem(subcommands[word], waiting)
        else:
            return f"there is no command {word}"
    if subcommands is None:
        return _arity_problem(command, arguments)
    # Options alone, such as --version, need no command after them.
    return None if words or command.invoke_without_command else "a command is missing"


def _arity_problem(command: Any, given: int) -> str | None:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    needed = sum(argument.required for argument in arguments)
    unlimited = any(argument.nargs == -1 for argument in arguments)
    if given < needed or (given > len(arguments) and not unlimited):
        return f"{command.name} takes {needed} to {len(arguments)} arguments, not {given}"
    return None
