"""The shell commands: thin, one module each, loaded when they are used.

Results go to stdout, words and progress to stderr. Exit codes: 0 fine, 1 findings, 2 wrong use, 3 the outside failed.
"""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

import click

from mltask_fixtures import __version__
from mltask_fixtures._errors import MLTaskFixturesError, OutsideError

_COMMANDS = {
    "check": "check",
    "cluster": "cluster",
    "convert": "convert",
    "coverage": "coverage",
    "demo": "demo",
    "diff": "diff",
    "generate": "generate",
    "lifecycle": "lifecycle",
    "list": "listing",  # a module of the command's own name would hide the built-in here
    "record": "record",
    "redact": "redact",
    "schema": "schema",
    "serve": "serve",
    "show": "show",
    "verify": "verify",
}
"""The commands, and the module of each."""
_INTERRUPTED = 130
"""What a shell reports for a command that Ctrl-C ended."""
_TRACEBACK = "MLTASK_FIXTURES_TRACEBACK"


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            near = get_close_matches(cmd_name, _COMMANDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(_COMMANDS)}"
            ctx.fail(f"no such command: {cmd_name!r}; {hint}")
        module = import_module(f"{__name__}.{_COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mltask-fixtures")
def commands() -> None:
    """Test code that polls OpenSearch ML Commons tasks, on traffic that a real cluster sent.

    \b
    Example:
      mltask-fixtures demo
    """


def main(args: list[str] | None = None) -> NoReturn:
    """Run a command and exit with its code; no traceback reaches the shell.

    Args:
        args: the words after the program's name; the process's own by default.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of another encoding than UTF-8
    try:
        code = commands.main(args, prog_name="mltask-fixtures", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        _tell("interrupted")
        sys.exit(_INTERRUPTED)
    except MLTaskFixturesError as error:
        _tell(str(error))
        sys.exit(error.exit_code)
    except SystemExit:
        sys.exit(0)  # click's way when the reader of stdout has gone, as in `... | head`
    except BrokenPipeError:
        # The same, seen by us; what the interpreter still holds must not be written again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get(_TRACEBACK):
            raise
        _tell(f"{type(error).__name__}: {error}\nThis should not happen; with {_TRACEBACK}=1 it shows where it did.")
        sys.exit(OutsideError.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _tell(text: str) -> None:
    click.echo(f"mltask-fixtures: {text}", err=True)
