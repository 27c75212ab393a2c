"""An object's SQL in a form that is the same before and after a restore, and differs where anything else does.

PostgreSQL prints what it has parsed, and parses what it has printed into something that it prints in other words: once,
and not again. It does so in three ways only, which are undone here. All else counts, each cast and parenthesis too.

- The cast of an array, as `x IN ('a')` of a varchar makes one, goes to its elements:
  `(ARRAY['a'::varchar])::text[]` becomes `ARRAY[('a'::varchar)::text]` (parse_expr.c, transformTypeCast).
- `((a AND b) AND c)`, as BETWEEN makes it, becomes `(a AND b AND c)` (gram.y, makeAndExpr and makeOrExpr).
- A constant without a name gets that of its type: `'a'::text` becomes `'a'::text AS text` (parse_target.c,
  FigureColname).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

_NAME = rb"""(?:(?:"[^"]*")+|[\w$\x80-\xff]+)"""
_TOKEN = re.compile(
    rb"""'[^']*(?:''[^']*)*'|\$(?P<tag>(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?)\$.*?\$(?P=tag)\$"""
    rb"""|(?P<number>(?<=\bpg_attver=)\d+)|"""
    rb"""%(name)s(?:\.%(name)s)*|::|[^\s]""" % {b"name": _NAME},
    re.DOTALL,
)
_LAST_NAME = re.compile(_NAME + rb"$")
_MAY_CHANGE = re.compile(rb"\bARRAY\[|\b(?:AND|OR|SELECT|RETURNING|pg_attver)\b")  # of which a restore leaves some
_PAIRS = {b"(": b")", b"[": b"]"}
# What a type that SQL writes in words of its own is called. Source: gram.y, SystemTypeName.
_CALLED = {
    b"bigint": b"int8",
    b"bit varying": b"varbit",
    b"boolean": b"bool",
    b"character": b"bpchar",
    b"character varying": b"varchar",
    b"double precision": b"float8",
    b"integer": b"int4",
    b"real": b"float4",
    b"smallint": b"int2",
    b"time with time zone": b"timetz",
    b"timestamp with time zone": b"timestamptz",
}
_TIMES = (b"time", b"timestamp")
_BOOLEANS = (b"true", b"false")  # up to PostgreSQL 14 they are casts
_Node: TypeAlias = "bytes | _Group"


class _Group:
    """What stands in a pair of parentheses or brackets."""

    __slots__ = ("items", "opener")

    def __init__(self, opener: bytes, items: list[_Node]) -> None:
        self.opener = opener
        self.items = items


def canonical(sql: bytes) -> bytes:
    """The SQL without what a restore changes; strings, quoted names and the bodies of functions as they are."""
    if not _MAY_CHANGE.search(sql):
        return sql
    return b" ".join(_written(_parsed(sql)))


def without_order_of_columns(sql: bytes) -> bytes:
    """The canonical SQL of a CREATE TABLE and the statements after it, its columns and they in alphabetical order.

    A table that began to inherit after it was created gets the columns of its parent first at a restore. pg_dump writes
    DEFAULT NULL for a default that only the parent has, and PostgreSQL then prints it with a cast.
    """
    statements = _split(_parsed(sql), b";")
    columns = next((node for node in statements[0] if isinstance(node, _Group)), None)
    if columns is not None:
        definitions = map(_without_cast_of_null, _split(columns.items, b","))
        ordered = sorted(definitions, key=lambda column: [*_written(column)])
        columns.items = [node for column in ordered for node in (*column, b",")]
    return b" ; ".join(sorted(b" ".join(_written(statement)) for statement in statements))


def _without_cast_of_null(column: list[_Node]) -> list[_Node]:
    for at in range(len(column)):
        if column[at : at + 3] == [b"DEFAULT", b"NULL", b"::"]:
            end, _ = _type(column, at + 3)
            return column[: at + 2] + column[end:]
    return column


def _parsed(sql: bytes) -> list[_Node]:
    """The tokens, with groups within groups. Each group is put in order as it ends: none is entered twice."""
    outside: list[_Group] = []
    group = _Group(b"", [])
    for found in _TOKEN.finditer(sql):
        token = found[0]
        if found["number"]:  # PostgreSQL 17.12 gives each table another, and older clients dump it
            continue
        if token in _PAIRS:
            outside.append(group)
            group = _Group(token, [])
        elif outside and token == _PAIRS[group.opener]:
            group.items = _in_order(group.items)
            outside[-1].items.append(group)
            group = outside.pop()
        else:
            group.items.append(token)
    while outside:
        outside[-1].items.append(group)
        group = outside.pop()
    return _in_order(group.items)


def _in_order(items: list[_Node]) -> list[_Node]:
    if len(items) == 1:
        return items
    return _flattened(_recast(items) if b"::" in items or b"AS" in items else items)


def _recast(items: list[_Node]) -> list[_Node]:
    """The same with casts at the elements of arrays, and without names that are those of types."""
    made: list[_Node] = []
    at = 0
    while at < len(items):
        start, at = at, at + 1
        called = b"bool" if items[start] in _BOOLEANS else b""
        if items[start] == b"::":
            at, called = _type(items, at)
            type_ = items[start + 1 : at]
            if not (_is_brackets(type_[-1]) and _to_elements(made, type_[:-1])):
                made += [b"::", *type_]
        else:
            made.append(items[start])
        if called and items[at : at + 1] == [b"AS"] and items[at + 1 : at + 2] in ([called], [b'"%s"' % called]):
            at += 2
    return made


def _type(items: list[_Node], at: int) -> tuple[int, bytes]:
    """Where the type that begins at `at` is over, and what a column of it is called."""
    words: list[bytes] = []

    def take(*wanted: bytes) -> None:
        nonlocal at
        found = items[at : at + len(wanted)]
        if found == [*wanted]:
            words.extend(wanted)
            at += len(wanted)

    first = items[at] if at < len(items) else b""
    if isinstance(first, bytes):
        take(first)
    take(b"varying")
    take(b"precision")
    if at < len(items) and _is_modifier(items[at]):
        at += 1
    if first in _TIMES:
        take(b"with", b"time", b"zone")
        if items[at : at + 3] == [b"without", b"time", b"zone"]:
            at += 3
    while at < len(items) and _is_brackets(items[at]):
        at += 1
    sql = b" ".join(words)
    last = _LAST_NAME.search(sql)
    return at, _CALLED.get(sql) or (last[0].strip(b'"') if last else b"")


def _is_modifier(node: _Node) -> bool:
    return isinstance(node, _Group) and node.opener == b"(" and all(_is_plain(item) for item in node.items)


def _is_plain(node: _Node) -> bool:
    return isinstance(node, bytes) and (node == b"," or node.isdigit())


def _is_brackets(node: _Node) -> bool:
    return isinstance(node, _Group) and node.opener == b"[" and not node.items


def _to_elements(made: list[_Node], type_: list[_Node]) -> bool:
    """Gives the cast of the array that was made last to its elements; False when that is none, or empty."""
    array, closed = made[-2:], False
    if made and isinstance(made[-1], _Group) and made[-1].opener == b"(":
        array, closed = made[-1].items, True
    if not _is_array(array):
        return False
    del made[-1 if closed else -2 :]
    made += [b"ARRAY", _cast(array[1], type_, closed=closed)]
    return True


def _is_array(nodes: Sequence[_Node]) -> bool:
    return len(nodes) == 2 and nodes[0] == b"ARRAY" and isinstance(nodes[1], _Group) and bool(nodes[1].items)


def _cast(array: _Node, type_: list[_Node], *, closed: bool) -> _Group:
    assert isinstance(array, _Group)  # noqa: S101
    elements: list[_Node] = []
    for number, element in enumerate(_split(array.items, b",")):
        elements += [b","] if number else []
        if _is_array(element):
            elements += [b"ARRAY", _cast(element[1], type_, closed=closed)]
        else:
            elements += [*([_Group(b"(", element)] if closed else element), b"::", *type_]
    return _Group(b"[", elements)


def _flattened(items: list[_Node]) -> list[_Node]:
    """Without the parentheses around operands of AND that are AND themselves; and of OR."""
    joint = _joint(items)
    if joint is None:
        return items
    flat: list[_Node] = []
    for number, operand in enumerate(_split(items, joint)):
        flat += [joint] if number else []
        inner = operand[0] if len(operand) == 1 else b""
        same = isinstance(inner, _Group) and inner.opener == b"(" and _joint(inner.items) == joint
        flat += inner.items if same and isinstance(inner, _Group) else operand
    return flat


def _joint(items: list[_Node]) -> bytes | None:
    """What joins the operands of an expression, where it is one of AND or OR and nothing else."""
    found = [word for word in (b"AND", b"OR") if word in items]
    return found[0] if len(found) == 1 and b"BETWEEN" not in items else None


def _split(items: list[_Node], at: bytes) -> list[list[_Node]]:
    parts: list[list[_Node]] = [[]]
    for item in items:
        if item == at:
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


def _written(nodes: list[_Node]) -> Iterator[bytes]:
    """The tokens again; however deep the groups are, it is one loop."""
    left: list[_Node] = nodes[::-1]
    while left:
        node = left.pop()
        if isinstance(node, bytes):
            yield node
        else:
            yield node.opener
            left.append(_PAIRS[node.opener])
            left += node.items[::-1]
