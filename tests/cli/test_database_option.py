"""Every command that opens a data folder takes the address of a database too."""

import pytest

from pathserve.cli.later import Later
from pathserve.cli.main import program


def leaves(command, name="pathserve"):
    command = command.load() if isinstance(command, Later) else command
    inner = getattr(command, "commands", None)
    if inner is None:
        return [(name, command)]
    return [leaf for word, each in inner.items() for leaf in leaves(each, f"{name} {word}")]


def options(command) -> list[str]:
    return [option for parameter in command.params for option in getattr(parameter, "opts", ())]


COMMANDS = leaves(program())


@pytest.mark.parametrize("command", [command for _, command in COMMANDS], ids=[name for name, _ in COMMANDS])
def test_it_stands_beside_the_data_folder(command) -> None:
    assert options(command).count("--database") == options(command).count("--data")


def test_most_commands_have_it() -> None:
    assert sum("--database" in options(command) for _, command in COMMANDS) > 20
