"""Command line: every `secateur` command."""

import signal
import sys
import warnings
from collections.abc import Sequence

import click

from .cluster_commands import attach, doctor, stop, submit
from .network_commands import cut, evaluate, export, finetune, inspect
from .profile_commands import compare, profile
from .run_commands import front, report, runs, status
from .search_commands import resume, search
from .train_commands import train

INTERRUPTED = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A run is a folder. Whatever stops it, `secateur resume RUN` goes on where it was.",
)
@click.version_option(package_name="secateur")
@click.option("--debug", is_flag=True, expose_value=False, help="Show an error's traceback.")
def cli() -> None:
    """Prune neural networks for the hardware they must run on.

    Searches for the Pareto front of error, measured latency and memory, and exports the networks
    on it as ONNX and safetensors.
    """


for command in (
    *(search, resume, train),
    *(status, runs, front, report),
    *(export, finetune, evaluate, inspect, cut, profile, compare),
    *(doctor, submit, attach, stop),
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    An error is one line on stderr: code 2 where the caller can mend it (usage, configuration,
    data), 1 where the run failed, 130 where it was interrupted. `--debug` shows the traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as clean a stop as Ctrl-C
    # of PyTorch Geometric's import, and of sums over neighbours: none of the user's business
    warnings.filterwarnings("ignore", ".*torch.jit.script.* is deprecated", FutureWarning)
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
    try:
        asked = [one for one in given if one != "--debug"]
        code = cli.main(asked, "secateur", standalone_mode=False)
    except click.Abort as error:  # click's word for KeyboardInterrupt
        return _fail(str(error.__cause__ or "") or "stopped", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        if isinstance(error, click.ClickException):
            return _fail(error.format_message(), error.exit_code)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            return _fail(f"cannot use {error.filename}: {reason}" if error.filename else reason, 1)
        usage = isinstance(error, ValueError)
        return _fail(str(error) or type(error).__name__, 2 if usage else 1)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    click.echo(f"secateur: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
