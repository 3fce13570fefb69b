"""The command line ``consilico``: its commands are in ``consilico/commands``; errors end here.

Exit status: 0 right, 1 a check failed, 2 something the user can mend, 130 interrupted. Nothing
heavy is imported here: each command imports what it needs when it runs.
"""

import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Annotated

import typer

from consilico import __version__
from consilico.commands import (
    accuracy,
    buffer,
    cache,
    claims,
    compare,
    design,
    doctor,
    estimate,
    explore,
    memory,
    memory_sweep,
    mutate,
    pdk,
    power,
    prove,
    regress,
    report,
    scale,
    silicon,
    sweep,
    system,
    test,
    training_hw,
    units,
    verify,
)
from consilico.extras import missing_package
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.files import protecting_inputs

__all__ = ["app", "main"]

app = typer.Typer(
    name="consilico",
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"consilico {__version__}")
        raise typer.Exit


@app.callback()
def consilico(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Find out what a language-model operator costs on silicon, and whether it is still right."""


app.command("list")(units.list_units)
app.command("generate")(units.generate)
app.command("verify")(verify.verify)
app.command("prove")(prove.prove)
app.command("map")(design.map_ports)
app.command("regress")(regress.regress)
app.command("test")(test.run_tests)
app.command("mutate")(mutate.mutate)
app.command("implement")(silicon.implement)
app.command("sweep")(sweep.sweep)
app.command("compare")(compare.compare)
app.command("power")(power.power)
app.command("activity")(power.activity)
app.command("estimate")(estimate.estimate)
app.command("memory")(memory.memory)
app.command("memory-sweep")(memory_sweep.memory_sweep)
app.command("training-hw")(training_hw.training_hw)
app.command("system")(system.system)
app.command("explore")(explore.explore)
app.command("accuracy")(accuracy.accuracy)
app.add_typer(pdk.app, name="pdk")
app.command("scale")(scale.scale)
app.command("buffer")(buffer.buffer)
app.command("claims")(claims.claims)
app.command("report")(report.report)
app.command("doctor")(doctor.doctor)
app.command("cache")(cache.cache)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; what the user can mend is one line on stderr."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidy up as after Ctrl-C
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal may not have the lines of a table
        sys.stdout.reconfigure(errors="replace")
    try:
        with protecting_inputs():
            status = typer.main.get_command(app).main(
                args=argv, prog_name="consilico", standalone_mode=False
            )
        sys.stdout.flush()  # a full disk behind standard output shows here, not after the end
    except typer.TyperException as error:
        return _complain(_usage(error))
    except CheckFailed as failure:
        return _complain(str(failure), status=1)
    except UserError as error:
        return _complain(str(error))
    except typer.Abort as error:  # typer's translation of EOFError
        return _complain(str(error.__cause__ or "input ended too early"))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "consilico":
            raise  # our own mistake
        words = sys.argv[1:] if argv is None else argv
        command = next((word for word in words if not word.startswith("-")), "")
        if extra := missing_package(command, error):
            return _complain(str(extra))
        return _complain(f"Python package {error.name} is missing; `consilico doctor` says more")
    except OSError as error:
        _drop_output_that_cannot_be_written()
        if isinstance(error, BrokenPipeError):  # whoever read the output has seen enough
            return 1
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}")
    except UnicodeEncodeError as error:  # what is no UTF-8 came in as a name, and goes out nowhere
        near = error.object[max(0, error.start - 40) : error.end + 40]
        return _complain(f"a name that is not UTF-8 cannot be used here: {near!a}")
    if status == 130:
        return _complain("interrupted", status)
    return int(status or 0)


def _drop_output_that_cannot_be_written() -> None:
    """Else Python tries again when it ends, and prints an error of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: typer.TyperException) -> str:
    """Return what is wrong with the arguments, and the command whose help says more."""
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    context: typer.Context | None = getattr(error, "ctx", None)
    return f"{message}; see {context.command_path} --help" if context else message


def _complain(message: str, status: int = 2) -> int:
    print(f"consilico: {' '.join(message.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
