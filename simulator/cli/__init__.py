"""The command line: options, console, exit codes; each command in the module of its name.

Imports: everything below, inside functions, so that ``--help`` stays quick.
Read first: ``app`` (the list of commands and what an error becomes), then ``run``.
"""

import gc
import os
import signal
import sys

from simulator.cli.signals import INTERRUPTED, STOPPED, Terminated, stop_on_signals
from simulator.cli.streams import open_streams


def main() -> None:
    """Entry point of the ``crashsim`` command."""
    # Processes share the work, not threads of BLAS, which sends itself SIGINT where none can start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(
        50_000
    )  # imports make much that lives, and a tenth of their time goes into looking through it
    code, text = 130, f"error: {INTERRUPTED}\n"
    try:
        stop_on_signals()
        open_streams()
        from simulator.cli import app  # a tenth of a second, in which signals come too

        code, text = app.main(), ""
    except KeyboardInterrupt:
        pass
    except Terminated:
        code, text = 143, f"error: {STOPPED}\n"
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)  # nothing is left that could unwind
    sys.stderr.write(text)
    gc.freeze()  # half a second of looking through modules for garbage, at the end of everything
    sys.exit(code)
