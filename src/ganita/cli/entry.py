"""From the words of a command to an exit code: one clear line for whatever went wrong, and how to go on."""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import sys
import traceback
from collections.abc import Sequence

from ganita.cli.parser import make_parser
from ganita.errors import GanitaError, Interrupted, SaidElsewhere
from ganita.progress import Reporter

USER_ERROR, OUR_ERROR, STOPPED = 2, 1, 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 2 a mistake of the user's, 1 one of ours, 130 stopped by a signal."""
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    # argparse gives up optional positionals once an option has come before them: `ganita solve --samples 5 RUN "..."`
    empty = [name for name in ("target", "question") if getattr(options, name, None) == ""]
    if len(rest) <= len(empty) and not any(word.startswith("-") for word in rest):
        for name in empty[: len(rest)]:
            setattr(options, name, rest.pop(0))
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if options.threads:  # before torch and its libraries count the cores
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
    reporter = Reporter(quiet=options.quiet)
    code = _guard(options, reporter)
    if code and _num_processes() > 1:  # a broken process group may hang in its destructor
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _num_processes() -> int:
    """Return how many processes torchrun started for this command; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def _guard(options: argparse.Namespace, reporter: Reporter) -> int:
    """Turn what escapes a command into one clear line and an exit code."""
    try:
        if _num_processes() > 1:
            from ganita.train.launch import together

            together(lambda: options.command(options, reporter))
        else:
            options.command(options, reporter)
        return 0
    except SaidElsewhere as end:
        return end.code
    except GanitaError as error:
        return _complain(str(error), USER_ERROR)
    except Interrupted as stop:
        print(f"\nstopped: {stop}\nto go on: {_again()}", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print(f"\nstopped; to go on: {_again()}", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # `ganita answers RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _complain(
                f"{error.filename or 'a file'}: the disk is full; free some space and start again", USER_ERROR
            )
        return _report_crash(options)
    except Exception:
        return _report_crash(options)


def _complain(message: str, code: int) -> int:
    print(f"ganita: {' '.join(message.split())}", file=sys.stderr)
    return code


def _report_crash(options: argparse.Namespace) -> int:
    text = traceback.format_exc()
    if options.debug:
        print(text, file=sys.stderr)
        return OUR_ERROR
    last = text.strip().splitlines()[-1]
    return _complain(
        f"this is our mistake, not yours: {last} (the whole story: the same command with --debug)", OUR_ERROR
    )


def _again() -> str:
    if (processes := _num_processes()) > 1:
        machines = processes // int(os.environ["LOCAL_WORLD_SIZE"])
        where = f"--nnodes {machines} ... " if machines > 1 else "--standalone "
        return f"torchrun {where}--nproc-per-node {processes // machines} -m ganita {shlex.join(sys.argv[1:])}"
    return f"ganita {shlex.join(sys.argv[1:])}"
