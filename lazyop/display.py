"""How operators show themselves: one line, or an indented tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazyop.operator import LazyOperator

#: Longer lists of operands are cut to their first ones.
_LONGEST = 10


def line(op: LazyOperator) -> str:
    """Describe an operator in one line: class, shape, dtype, and what is special to it."""
    m, n = op.shape
    details = op._details()
    return f"{type(op).__name__}({m}x{n}, {op.dtype}{', ' + details if details else ''})"


def tree(op: LazyOperator) -> str:
    """Describe an expression as a tree, one operator a line, operands indented."""
    return "\n".join(_branches(op, ""))


def _branches(op: LazyOperator, indent: str) -> list[str]:
    lines = [line(op)]
    shown = op.args[:_LONGEST]
    left_out = len(op.args) - len(shown)
    for position, operand in enumerate(shown):
        last = position == len(shown) - 1 and not left_out
        first, rest = ("└── ", "    ") if last else ("├── ", "│   ")
        inner = _branches(operand, indent)
        lines.append(first + inner[0])
        lines += [rest + text for text in inner[1:]]
    if left_out:
        lines.append(f"└── … and {left_out} more")
    return lines
