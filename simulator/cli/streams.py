"""Standard output and error that may be closed or lose their reader: neither changes what a command does."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class _Unread(io.FileIO):
    """What nobody reads any more goes nowhere, and the command goes on; so does what a full disk refuses of errors."""

    lost: type[OSError] = BrokenPipeError

    # Wider in typeshed, whose name for any buffer exists only for type checkers; these two come here.
    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
        try:
            return super().write(data)
        except self.lost:
            silence(self.fileno())
            return memoryview(data).nbytes


def silence(number: int) -> None:
    """Let a file descriptor lead nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != number:  # it is where the descriptor was closed
        os.dup2(nowhere, number)
        os.close(nowhere)


def open_streams() -> None:
    """Give this process a standard output and error that can always be written to.

    A terminal that knows ASCII only gets "?" for what it cannot show.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: a file must not get its number
            silence(number)
        else:
            stream.flush()
        raw: Any = _Unread(number, "wb", closefd=False)
        raw.lost = BrokenPipeError if name == "stdout" else OSError
        text = io.TextIOWrapper(
            io.BufferedWriter(raw),
            encoding=getattr(stream, "encoding", "utf-8"),
            errors="replace",
            line_buffering=name == "stderr" or os.isatty(number),
        )
        setattr(sys, name, text)
