"""Compiles the viper subset of our kernels to RV32IM with every local in a register.

    python -m tools.viper_rv32 firmware/kernels/_noise48.py out.mpy

mpy-cross keeps two locals in registers and the rest on the stack. This compiler takes the same source, the
same `.mpy` container and the same calling convention, and replaces the code of every viper function; the
instructions executed fall to a third. What it does not know it refuses. Tests run its code and
mpy-cross's code in an emulator beside the plain twin, all bit-equal.

The subset: int, uint and ptr32 locals; + - * & | ^ << >>; assignment expressions; loads and stores with
constant index; while and if with one comparison or a truth value. No calls but int(), uint(), ptr32().

Registers go to the locals and constants with the most uses, weighted by loop depth; the rest lives on the
stack. An `if` without `else` is taken to be rare, and so is every `else`: their code lies behind the loop,
so the usual path runs straight.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools import mpy
from tools.rv32 import RA, SP, ZERO, A, Assembler, S, T, fits

_TEMPORARIES = T[-3:]
_ALLOCATABLE = (*S, *A, *T[:-3], RA)
_TYPE_CODES = {"int": 2, "uint": 3, "ptr32": 7}  # py/runtime0.h, MP_NATIVE_TYPE_*
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
}
_IMMEDIATE = {"add": "addi", "and": "andi", "or": "ori", "xor": "xori"}
_LOOP_WEIGHT = 16


class Unsupported(ValueError):  # noqa: N818 - says what it is
    """Source outside the subset."""

    def __init__(self, node: ast.AST, what: str) -> None:
        super().__init__(f"line {getattr(node, 'lineno', '?')}: {what}")


def _constant(node: ast.AST) -> int | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _constant(node.operand)
        return None if inner is None else -inner
    return None


@dataclass
class _Arg:
    name: str
    type: str


class _Function:
    """Compiles one function."""

    def __init__(self, tree: ast.FunctionDef) -> None:
        self.tree = tree
        self.asm = Assembler()
        self.args = [_Arg(a.arg, self._annotation(a)) for a in tree.args.args]
        self.types: dict[str, str] = {a.name: a.type for a in self.args}
        self.registers: dict[str | int, int] = {}
        self.homes: dict[str, int] = {}
        self.free = list(_TEMPORARIES)
        self.cold: list[Callable[[], None]] = []
        self._labels = 0
        self.frame = 0

    @staticmethod
    def _annotation(arg: ast.arg) -> str:
        if isinstance(arg.annotation, ast.Name) and arg.annotation.id in _TYPE_CODES:
            return arg.annotation.id
        raise Unsupported(arg, f"argument {arg.arg} needs a type of {sorted(_TYPE_CODES)}")

    # --- the whole function

    def compile(self) -> bytes:
        """Return the machine code."""
        uses = self._uses()
        self._allocate(uses)
        saved = [RA, *S]
        n = len(saved)
        for i, arg in enumerate(self.args):
            self.homes[arg.name] = 4 * (n + i)
        spilled = [v for v in uses if isinstance(v, str) and v not in self.registers and v not in self.homes]
        for i, name in enumerate(spilled):
            self.homes[name] = 4 * (n + len(self.args) + i)
        none_home = 4 * (n + len(self.args) + len(spilled))
        self.frame = none_home + 4 + 15 & ~15
        asm = self.asm
        asm.imm("addi", SP, SP, -self.frame)
        for i, register in enumerate(saved):
            asm.sw(register, SP, 4 * i)
        self._convert_arguments(none_home)
        for arg in self.args:
            if arg.name in self.registers:
                asm.lw(self.registers[arg.name], SP, self.homes[arg.name])
        for value, register in self.registers.items():
            if isinstance(value, int):
                asm.li(register, value)
        self._block(self.tree.body)
        end = self._label()
        asm.label(end)
        self._flush(end=None)
        asm.lw(A[0], SP, none_home)
        for i, register in enumerate(saved):
            asm.lw(register, SP, 4 * i)
        asm.imm("addi", SP, SP, self.frame)
        asm.ret()
        return asm.code()

    def _convert_arguments(self, none_home: int) -> None:
        """Do what mpy-cross's prologue does: check the number of arguments, convert objects to words.

        a0 function object, a1 number of arguments, a2 of keywords, a3 the arguments. The runtime's table is
        object 0 of the context's object table; slot 0 is None, 3 converts an object, 44 complains.
        """
        asm = self.asm
        table, objects = S[1], S[2]
        asm.lw(table, A[0], 4)
        asm.lw(table, table, 12)
        asm.lw(table, table, 0)
        asm.mv(objects, A[3])
        asm.lw(T[0], table, 0)
        asm.sw(T[0], SP, none_home)
        good, bad = self._label(), self._label()
        asm.branch("bne", A[2], ZERO, bad)
        asm.li(T[0], len(self.args))
        asm.branch("beq", A[1], T[0], good)
        asm.label(bad)
        asm.mv(A[0], A[1])
        asm.mv(A[1], A[2])
        asm.li(A[2], len(self.args) << 17 | len(self.args) << 1)
        asm.lw(T[0], table, 4 * 44)
        asm.call(T[0])
        asm.label(good)
        for i, arg in enumerate(self.args):
            asm.lw(A[0], objects, 4 * i)
            asm.li(A[1], _TYPE_CODES[arg.type])
            asm.lw(T[0], table, 4 * 3)
            asm.call(T[0])
            asm.sw(A[0], SP, self.homes[arg.name])

    # --- registers

    def _uses(self) -> dict[str | int, int]:
        """Return how often each local and each constant is used, weighted by loop depth."""
        uses: dict[str | int, int] = {arg.name: 0 for arg in self.args}

        def count(value: str | int, weight: int) -> None:
            uses[value] = uses.get(value, 0) + weight

        def walk(node: ast.AST, weight: int) -> None:
            if isinstance(node, ast.While):
                weight *= _LOOP_WEIGHT
            if isinstance(node, ast.Name):
                if node.id not in _TYPE_CODES:
                    count(node.id, weight)
            elif isinstance(node, ast.BinOp):
                self._count_constant(node, weight, count)
            elif isinstance(node, ast.Compare):
                for side in (node.left, *node.comparators):
                    value = _constant(self._uncast(side))
                    if value:
                        count(value, weight)
            for child in ast.iter_child_nodes(node):
                if isinstance(node, ast.If):
                    rare = child in node.orelse or (child in node.body and not node.orelse)
                    walk(child, max(1, weight // 8) if rare else weight)
                else:
                    walk(child, weight)

        for statement in self.tree.body:
            walk(statement, 1)
        return uses

    def _count_constant(self, node: ast.BinOp, weight: int, count: Callable[[str | int, int], None]) -> None:
        value = _constant(node.right)
        if value is None:
            left = _constant(node.left)
            if left:
                count(left, weight)
            return
        if isinstance(node.op, ast.Mult):
            if value > 0 and value & value - 1 == 0:
                return
            count(abs(value) if value < 0 and getattr(node, "negated", False) else value, weight)
            return
        immediate = -value if isinstance(node.op, ast.Sub) else value
        if not isinstance(node.op, ast.LShift | ast.RShift) and not fits(immediate, 12):
            count(value, 2 * weight)

    def _allocate(self, uses: dict[str | int, int]) -> None:
        ranked = sorted(uses, key=lambda v: (-uses[v], str(v)))
        for value, register in zip((v for v in ranked if uses[v]), _ALLOCATABLE, strict=False):
            self.registers[value] = register

    def _temporary(self, node: ast.AST) -> int:
        if not self.free:
            raise Unsupported(node, "expression too deep")
        return self.free.pop()

    def _release(self, register: int) -> None:
        if register in _TEMPORARIES and register not in self.free:
            self.free.append(register)

    def _label(self) -> str:
        self._labels += 1
        return f"L{self._labels}"

    # --- statements

    def _block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                self._release(self._assign(target.id, node.value))
            elif isinstance(target, ast.Subscript):
                self._store(target, node.value)
            else:
                raise Unsupported(node, "target of assignment")
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            name = node.target
            value = ast.copy_location(ast.BinOp(ast.Name(name.id), node.op, node.value), node)
            self._release(self._assign(name.id, value))
        elif isinstance(node, ast.While) and not node.orelse:
            self._while(node)
        elif isinstance(node, ast.If):
            self._if(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            pass
        else:
            raise Unsupported(node, type(node).__name__)

    def _assign(self, name: str, value: ast.expr) -> int:
        """Evaluate into a local; return the register that holds it afterwards."""
        kind = self._type(value)
        if self.types.setdefault(name, kind) != kind:
            raise Unsupported(value, f"{name} changes its type to {kind}")
        home = self.registers.get(name)
        result = self._evaluate(value, home)
        if home is None:
            self.asm.sw(result, SP, self.homes[name])
            return result
        if result != home:
            self.asm.mv(home, result)
            self._release(result)
        return home

    def _store(self, target: ast.Subscript, value: ast.expr) -> None:
        result = self._evaluate(value, None)
        base, offset = self._address(target)
        self.asm.sw(result, base, offset)
        self._release(base)
        self._release(result)

    def _address(self, node: ast.Subscript) -> tuple[int, int]:
        index = _constant(node.slice)
        if index is None or self._type(node.value) != "ptr32":
            raise Unsupported(node, "only ptr32 with a constant index")
        return self._evaluate(node.value, None), 4 * index

    def _while(self, node: ast.While) -> None:
        top, end = self._label(), self._label()
        outer, self.cold = self.cold, []
        self._branch(node.test, end, when=False)
        self.asm.label(top)
        self._block(node.body)
        self._branch(node.test, top, when=True)
        self._flush(end)
        self.asm.label(end)
        self.cold = outer

    def _flush(self, end: str | None) -> None:
        """Emit the rare code that waits; the usual path jumps over it."""
        if not self.cold:
            return
        over = end or self._label()
        self.asm.jump(over)
        while self.cold:
            self.cold.pop(0)()
        if end is None:
            self.asm.label(over)

    def _if(self, node: ast.If) -> None:
        rare, join = self._label(), self._label()
        rest = node.orelse if node.orelse else node.body
        self._branch(node.test, rare, when=not node.orelse)
        if node.orelse:
            self._block(node.body)
        self.asm.label(join)

        def emit() -> None:
            self.asm.label(rare)
            self._block(rest)
            self.asm.jump(join)

        self.cold.append(emit)

    def _branch(self, test: ast.expr, label: str, when: bool) -> None:
        """Branch to label if the test is `when`."""
        if not isinstance(test, ast.Compare):
            value = self._evaluate(test, None)
            self.asm.branch("bne" if when else "beq", value, ZERO, label)
            self._release(value)
            return
        if len(test.ops) != 1:
            raise Unsupported(test, "one comparison at a time")
        left = self._evaluate(test.left, None)
        right = self._evaluate(test.comparators[0], None)
        unsigned = "u" if "uint" in (self._type(test.left), self._type(test.comparators[0])) else ""
        names: dict[type[ast.cmpop], tuple[str, str, bool]] = {
            ast.Lt: ("blt" + unsigned, "bge" + unsigned, False),
            ast.GtE: ("bge" + unsigned, "blt" + unsigned, False),
            ast.Gt: ("blt" + unsigned, "bge" + unsigned, True),
            ast.LtE: ("bge" + unsigned, "blt" + unsigned, True),
            ast.Eq: ("beq", "bne", False),
            ast.NotEq: ("bne", "beq", False),
        }
        if type(test.ops[0]) not in names:
            raise Unsupported(test, "comparison")
        yes, no, swapped = names[type(test.ops[0])]
        if swapped:
            left, right = right, left
        self.asm.branch(yes if when else no, left, right, label)
        self._release(left)
        self._release(right)

    # --- expressions

    @staticmethod
    def _uncast(node: ast.expr) -> ast.expr:
        while isinstance(node, ast.Call) and len(node.args) == 1:
            node = node.args[0]
        return node

    def _type(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            if node.id not in self.types:
                raise Unsupported(node, f"{node.id} is read before it is written")
            return self.types[node.id]
        if isinstance(node, ast.NamedExpr):
            return self._type(node.value)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in _TYPE_CODES and len(node.args) == 1:
                return node.func.id
            raise Unsupported(node, "call")
        if isinstance(node, ast.BinOp):
            left, right = self._type(node.left), self._type(node.right)
            if isinstance(node.op, ast.LShift | ast.RShift):
                return left
            if _constant(node.right) is not None:
                return left
            if left != right or left == "ptr32":
                raise Unsupported(node, f"{left} with {right}")
            return left
        if _constant(node) is not None or isinstance(node, ast.Subscript):
            return "int"
        raise Unsupported(node, type(node).__name__)

    def _evaluate(self, node: ast.expr, want: int | None) -> int:
        """Return a register that holds the value: the local's own, or `want` if given, or a temporary."""
        value = _constant(node)
        if value is not None:
            return self._load_constant(node, value, want)
        if isinstance(node, ast.Name):
            self._type(node)
            if node.id in self.registers:
                return self.registers[node.id]
            target = want if want is not None else self._temporary(node)
            self.asm.lw(target, SP, self.homes[node.id])
            return target
        if isinstance(node, ast.Call):
            self._type(node)
            return self._evaluate(node.args[0], want)
        if isinstance(node, ast.NamedExpr):
            return self._assign(node.target.id, node.value)
        if isinstance(node, ast.Subscript):
            base, offset = self._address(node)
            self._release(base)
            target = want if want is not None else self._temporary(node)
            self.asm.lw(target, base, offset)
            return target
        if isinstance(node, ast.BinOp):
            return self._operate(node, want)
        raise Unsupported(node, type(node).__name__)

    def _load_constant(self, node: ast.expr, value: int, want: int | None) -> int:
        if value == 0:
            return ZERO
        if value in self.registers:
            return self.registers[value]
        target = want if want is not None else self._temporary(node)
        self.asm.li(target, value)
        return target

    def _operate(self, node: ast.BinOp, want: int | None) -> int:
        self._check_order(node)
        left = self._evaluate(node.left, None)
        constant = _constant(node.right)
        negated = isinstance(node.op, ast.Add) and getattr(node.left, "negated", False)
        if constant is not None and not negated:
            short = self._immediate(node, constant)
            if short is not None:
                self._release(left)
                target = want if want is not None else self._temporary(node)
                self.asm.imm(short[0], target, left, short[1])
                return target
            if isinstance(node.op, ast.Mult) and getattr(node, "negated", False):
                constant = -constant
        right = (
            self._load_constant(node, constant, None)
            if constant is not None
            else self._evaluate(node.right, None)
        )
        self._release(left)
        self._release(right)
        target = want if want is not None else self._temporary(node)
        if negated:
            self.asm.op("sub", target, right, left)
        else:
            self.asm.op(self._operator(node), target, left, right)
        return target

    def _operator(self, node: ast.BinOp) -> str:
        if isinstance(node.op, ast.LShift):
            return "sll"
        if isinstance(node.op, ast.RShift):
            return "srl" if self._type(node.left) == "uint" else "sra"
        if type(node.op) not in _OPERATORS:
            raise Unsupported(node, "operator")
        return _OPERATORS[type(node.op)]

    def _immediate(self, node: ast.BinOp, value: int) -> tuple[str, int] | None:
        """Return the instruction with an immediate that does this operation, if there is one."""
        if isinstance(node.op, ast.LShift):
            return ("slli", value)
        if isinstance(node.op, ast.RShift):
            return ("srli" if self._type(node.left) == "uint" else "srai", value)
        if isinstance(node.op, ast.Mult):
            return ("slli", value.bit_length() - 1) if value > 0 and value & value - 1 == 0 else None
        if isinstance(node.op, ast.Sub) and fits(-value, 12):
            return ("addi", -value)
        name = _IMMEDIATE.get(self._operator(node))
        return (name, value) if name is not None and fits(value, 12) else None

    def _check_order(self, node: ast.BinOp) -> None:
        """Refuse a local on the left that the right side changes: its register would be read too late."""
        changed = {n.target.id for n in ast.walk(node.right) if isinstance(n, ast.NamedExpr)}
        read = {n.id for n in ast.walk(node.left) if isinstance(n, ast.Name)}
        if changed & read:
            raise Unsupported(node, f"{sorted(changed & read)} changes on the right of its use")


def _mark_negated(tree: ast.AST) -> None:
    """Mark `x * -k` that is added to something: a subtraction of x * k shares the constant k."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left = node.left
            if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):
                value = _constant(left.right)
                if value is not None and value < 0:
                    left.negated = True  # type: ignore[attr-defined]


def compile_functions(source: str) -> dict[str, bytes]:
    """Return {name: machine code} of every viper function of a module. Raises Unsupported."""
    out: dict[str, bytes] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            if [ast.unparse(d) for d in node.decorator_list] != ["micropython.viper"]:
                raise Unsupported(node, "only viper functions")
            _mark_negated(node)
            out[node.name] = _Function(node).compile()
    return out


# What mpy-cross 1.29 (ABI 6.3) emits to reach the runtime's table and to convert one argument. If it no
# longer does, the calling convention has changed and this compiler must not guess.
_REACH_TABLE = bytes.fromhex("4441")  # lw s1, 4(a0)
_OBJECT_TABLE = bytes.fromhex("c4448440")  # lw s1, 12(s1); lw s1, 0(s1)
_COMPLAIN = bytes.fromhex("03a8040b0298")  # lw a6, 176(s1); jalr a6
_CONVERT = bytes.fromhex("c0440294")  # lw s0, 12(s1); jalr s0


def replace(file: bytes, source: str) -> bytes:
    """Return the `.mpy` with the code of its viper functions replaced. Raises MpyError, Unsupported."""
    parsed = mpy.parse(file)
    if parsed.architecture != mpy.ARCHITECTURES["rv32imc"]:
        raise mpy.MpyError("not for rv32imc")
    functions = compile_functions(source)
    children = parsed.code.children
    if len(children) != len(functions) or parsed.objects != [None]:
        raise mpy.MpyError("functions of file and source do not pair")
    for (name, code), child in zip(functions.items(), children, strict=True):
        if any(piece not in child.code for piece in (_REACH_TABLE, _OBJECT_TABLE, _COMPLAIN, _CONVERT)):
            raise mpy.MpyError(f"{name}: mpy-cross uses another calling convention than we know")
        child.code = code
    return mpy.write(parsed)


def compile_file(source: Path) -> bytes:
    """Return the `.mpy` of a kernel module for rv32imc chips."""
    return replace(mpy.cross_compile(source, "rv32imc"), source.read_text())


def compile_firmware(source: Path, architecture: str) -> bytes:
    """Return the `.mpy` of any firmware file for a chip: mpy-cross's, with our code for RISC-V kernels.

    A kernel that uses more than our subset keeps mpy-cross's code.
    """
    if architecture == "rv32imc" and "@micropython.viper" in source.read_text():
        try:
            return compile_file(source)
        except Unsupported:
            pass
    return mpy.cross_compile(source, architecture)


def main(arguments: list[str]) -> int:
    """Compile one file."""
    source, out = map(Path, arguments)
    out.write_bytes(compile_file(source))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
