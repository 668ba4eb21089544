"""The summary of a run as one text."""

from simulator.reports.run_text import summary_lines
from simulator.runs import Run


def terminal_summary(run: Run, folder: str | None = None, *, full: bool = False) -> str:
    """As the terminal shows it at 80 columns."""
    return "\n".join(line.text for line in summary_lines(run, folder, full=full))
