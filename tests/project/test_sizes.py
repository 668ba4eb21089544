"""Functions and files stay small enough to be read in one go."""

import ast
from collections.abc import Iterator
from pathlib import Path

import simulator

PACKAGE = Path(simulator.__file__).parent
MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_FILE = 400


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Every function with its number of lines, the signature included, the docstring not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            yield node.name, lines_of(node) - (lines_of(node.body[0]) if documented else 0)


def lines_of(node: ast.stmt) -> int:
    """Lines that a statement takes."""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def sources() -> Iterator[tuple[str, str]]:
    """Every file of the package and its text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")


def test_a_function_has_at_most_sixty_lines() -> None:
    long = [
        f"{file}: {name} has {lines}"
        for file, text in sources()
        for name, lines in functions(text)
        if lines > MOST_LINES_OF_A_FUNCTION
    ]
    assert not long


def test_a_file_has_at_most_four_hundred_lines() -> None:
    long = [
        f"{file} has {lines}"
        for file, text in sources()
        if not file.endswith("_parameters.py")  # declarations alone are a table, and may be long
        and (lines := len(text.splitlines())) > MOST_LINES_OF_A_FILE
    ]
    assert not long


def test_lines_of_nested_functions_count_for_both() -> None:
    text = "def outer():\n    def inner():\n        return 1\n\n    return inner\n"
    assert dict(functions(text)) == {"outer": 5, "inner": 2}
