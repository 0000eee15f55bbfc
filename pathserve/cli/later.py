"""Commands whose module is imported when they are called.

All modules of the command line together bring Dask, Starlette and the readers of scans along, which take longer to
import than most commands take to run. This and `start` are the places that import by name.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

from pathserve.cli.options import with_database_option
from pathserve.cli.start import listen


class Later(TyperCommand):
    """Stands for a command, or a group of them, in the help of the group above it until it is called.

    Parameters
    ----------
    name
        As it is called.
    module
        Of `pathserve.cli`, whose `register` adds it to a program.
    sentence
        The first one of its help.
    """

    def __init__(self, name: str, module: str, sentence: str) -> None:
        super().__init__(name, help=sentence)
        self._module = module

    def load(self) -> Any:  # noqa: ANN401 - Typer brings Click along, or has it beside itself
        """Import it."""
        holder = typer.Typer(add_completion=False, rich_markup_mode=None)
        import_module(self._module).register(holder)
        return with_database_option(typer.main.get_group(holder).commands[str(self.name)])

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - as above
        """Begin the call: of the command itself."""
        command = self.load()
        listen()
        return command.make_context(info_name, args, parent, **extra)
