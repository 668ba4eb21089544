"""What SIGINT and SIGTERM become: exceptions that unwind a command, so that it leaves nothing behind."""

from __future__ import annotations

import signal
import sys
from types import FrameType

INTERRUPTED = "Interrupted. Nothing half-finished is left; repeat the command."
STOPPED = "Stopped by SIGTERM. Nothing half-finished is left; repeat the command."


class Terminated(BaseException):
    """SIGTERM arrived: unwind, so that workers and half-written folders are cleared."""


class Interrupted(KeyboardInterrupt):
    """SIGINT arrived.

    Python kills itself on the way out if a KeyboardInterrupt, and no subclass of it, once passed
    code that was compiled from a string, as that of every dataclass is: exit code -2, not 130.
    """


_STOPS = {signal.SIGINT: Interrupted, signal.SIGTERM: Terminated}
_arrived: list[signal.Signals] = []


def raise_arrived() -> None:
    """Raise the exception of the latest signal, if one arrived."""
    if _arrived:
        raise _STOPS[_arrived[-1]]


def stop_on_signals() -> None:
    """Turn SIGINT and SIGTERM into exceptions that are not lost.

    An exception that a signal raises inside the callback of a weak reference, which imports have
    many of, is reported and dropped by Python: then it is raised again a moment later.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        if number in _STOPS:
            _arrived.append(signal.Signals(number))
        raise_arrived()

    def dropped(report: sys.UnraisableHookArgs) -> None:
        if isinstance(report.exc_value, tuple(_STOPS.values())) and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
        else:
            sys.__unraisablehook__(report)

    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in a background job of a shell
            signal.signal(number, stop)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, stop)
        sys.unraisablehook = dropped
