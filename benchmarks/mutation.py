"""Mutants of a module: its code with one small fault each, as a person might make it.

Faults: a comparison that takes in its bound or leaves it out, or is turned around; `and` for `or`, a `not` or a minus
left out; another operator; `min` for `max`, `any` for `all`; a condition turned around; a number one greater or twice
as great, a truth turned around, a name in quotes or an empty text replaced; a statement left out (an assignment, a
call, `raise`, `break`, `continue`). Not touched: words for people (texts with a space in them, and those around the
values in an f-string), `strict` of `zip` (a check on ourselves), annotations, decorators, `__slots__`, imports and
docstrings.

Written for this repository, because the libraries for it do not fit: mutmut 3 calls every function by a trampoline,
which functions that Numba compiles do not survive, and takes the folder of a package for the start of its name, which a
namespace package over several source roots does not have; cosmic-ray starts an interpreter for each mutant, which takes
longer here (Numba, SciPy, pydantic) than the tests that tell it apart.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift, ast.BitXor: ast.BitOr,
}  # fmt: skip
_NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}
_LEFT_OUT: Final = (ast.Assign, ast.AugAssign, ast.Raise, ast.Break, ast.Continue, ast.Delete)
_NOT_TOUCHED: Final = {"annotation", "returns", "decorator_list", "format_spec", "type_params", "bases"}
_LONGEST: Final = 90


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault in one module."""

    name: str
    """where it is and what it does; stays the same when lines around it move"""
    code: CodeType
    """the whole module with it"""


def mutants_of(source: str, path: str) -> Iterator[Mutant]:
    """Gives every mutant of a module, in the order of its lines."""
    tree = ast.parse(source, path)
    seen = Counter[str]()
    for place in list(_places(tree, "module")):
        for fault in _faults(place.node):
            name = f"{place.within}: {place.context}{_words(place.node)} -> {_words(fault)}"
            seen[name] += 1
            place.put(ast.copy_location(fault, place.node))
            code = compile(ast.fix_missing_locations(tree), path, "exec")
            place.put(place.node)
            yield Mutant(name if seen[name] == 1 else f"{name} ({seen[name]})", code)


@dataclass(frozen=True, slots=True)
class _Place:
    """A node of the tree, and where it hangs."""

    node: ast.AST
    parent: ast.AST
    field: str
    at: int
    """its position where the field is a list; else below 0"""
    within: str
    """the class and function it is part of"""
    statement: ast.AST
    """the one it is part of, or itself"""

    @property
    def context(self) -> str:
        """The statement that it is a part of, in words."""
        return "" if self.statement is self.node else f"in `{_words(self.statement)}`: "

    def put(self, node: ast.AST) -> None:
        """Hangs another node there."""
        if self.at < 0:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.at] = node


def _places(parent: ast.AST, within: str, statement: ast.AST | None = None) -> Iterator[_Place]:
    for field, value in ast.iter_fields(parent):
        if field in _NOT_TOUCHED:
            continue
        for at, node in enumerate(value) if isinstance(value, list) else [(-1, value)]:
            if isinstance(node, ast.AST) and not _is_left_alone(node, parent):
                whole = node if isinstance(node, ast.stmt | ast.match_case) or statement is None else statement
                yield _Place(node, parent, field, at, within, whole)
                yield from _places(node, _name(node, within), whole)


def _name(node: ast.AST, within: str) -> str:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name if within == "module" else f"{within}.{node.name}"
    return within


def _is_left_alone(node: ast.AST, parent: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="__slots__")]):
            return True
        case ast.Constant():
            return isinstance(parent, ast.JoinedStr) or (isinstance(parent, ast.keyword) and parent.arg == "strict")
        case _:
            return False


def _faults(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - a table of faults, by what they are faults of
    match node:
        case ast.Compare():
            for at, operator in enumerate(node.ops):
                other = _COMPARISONS[type(operator)]()
                yield ast.Compare(node.left, [*node.ops[:at], other, *node.ops[at + 1 :]], node.comparators)
        case ast.BoolOp(op=operator, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(operator)](), right)
        case ast.Name(id=name) if name in _NAMES:
            yield ast.Name(_NAMES[name], ast.Load())
        case ast.Attribute(value=value, attr=name) if name in _NAMES:
            yield ast.Attribute(value, _NAMES[name], ast.Load())
        case ast.Constant(value=value):
            yield from _other_constants(value)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(_turned(test), body, orelse)
        case ast.If(test=test, body=block, orelse=others):
            yield ast.If(_turned(test), block, others)
        case ast.comprehension(ifs=[_, *_]):
            yield ast.comprehension(node.target, node.iter, [], 0)
        case ast.AugAssign(target=target, op=operator, value=value):
            yield ast.Pass()
            if type(operator) in _OPERATORS:
                yield ast.AugAssign(target, _OPERATORS[type(operator)](), value)
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case _ if isinstance(node, _LEFT_OUT):
            yield ast.Pass()


def _turned(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _other_constants(value: object) -> Iterator[ast.AST]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield ast.Constant(value + 1)
        case float():
            yield ast.Constant(value * 2 if value else 1.0)
        case str() if " " not in value:
            yield ast.Constant("another" if value else "not empty")


def _words(node: ast.AST) -> str:
    """Gives a node as code, its first line."""
    if isinstance(node, ast.comprehension):
        return "".join(f" if {ast.unparse(condition)}" for condition in node.ifs).strip() or "no condition"
    line = "case" if isinstance(node, ast.match_case) else ast.unparse(node).splitlines()[0]
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
