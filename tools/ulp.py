"""The program with which the ultra-low-power coprocessor (ULP FSM) of an ESP32 or ESP32-S3 counts contacts.

`python -m tools.ulp [--check]` assembles it and writes firmware/node/ulp_program.py.

The coprocessor wakes every 10 ms, looks at the pin, and sleeps again. Two samples alike are the truth: a
closing of 20 ms is never missed, a bounce below 10 ms never counted. It goes on in light and deep sleep.
Encodings are those of the technical reference manuals (ULP coprocessor, instruction set); the S3 has that
of the S2. Source: PROGRAM below, with labels; words are 32 bits, data stands behind the code.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "firmware" / "node" / "ulp_program.py"
FAMILIES = ("esp32", "esp32s3")
DATA = ("count", "state", "last", "kept")  # the last one is the main processor's

# r0: level now, 1 open; r3: where the data begins. Flags of `sub` say whether two are alike.
PROGRAM = """
        reg_rd pin
        move r3, data
        ld r1, r3, last
        st r0, r3, last
        sub r1, r1, r0
        jump same, eq
        halt
same:   ld r1, r3, state
        sub r2, r1, r0
        jump done, eq
        st r0, r3, state
        sub r2, r0, 1
        jump done, eq
        ld r1, r3, count
        add r1, r1, 1
        st r1, r3, count
done:   halt
"""
_ALU = {"add": 0, "sub": 1, "and": 2, "or": 3, "move": 4, "lsh": 5, "rsh": 6}


def encode(family: str, op: str, *args: int, register: bool = False) -> int:
    """Return the word of an instruction. register: the last operand of an ALU operation is one.

    reg_rd(address, peripheral, high, low); ld and st(register, address register, offset in words);
    jump(word, type: 0 always, 1 zero, 2 overflow); halt.
    """
    old = family == "esp32"
    if op == "halt":
        return 0xB << 28
    if op == "reg_rd":
        address, peripheral, high, low = args
        return 2 << 28 | high << 23 | low << 18 | peripheral << 8 | address
    if op == "ld":
        return 0xD << 28 | args[2] << 10 | args[1] << 2 | args[0]
    if op == "st":  # the S3 has half-words: write way 3 is the lower one, without a label
        return 6 << 28 | 4 << 25 | args[2] << 10 | (0 if old else 3) << 7 | args[1] << 2 | args[0]
    if op == "jump":
        return 8 << 28 | (0 if old else 1 << 26) | args[1] << 22 | args[0] << 2
    if op in _ALU:
        kind = 0 if register else (1 << 25 if old else 1 << 26)
        target, source, last = (args[0], args[1] if register else 0, args[1]) if op == "move" else args
        return 7 << 28 | kind | _ALU[op] << 21 | last << 4 | source << 2 | target
    raise ValueError(f"ulp: no instruction {op}")


def assemble(family: str) -> list[int]:
    """Return the words of PROGRAM, its data behind it; the first one still wants its pin."""
    rows: list[list[str]] = []
    labels: dict[str, int] = {}
    for line in PROGRAM.strip().splitlines():
        label, colon, rest = line.rpartition(":")
        if colon:
            labels[label.strip()] = len(rows)
        op, _, operands = rest.strip().partition(" ")
        rows.append([op, *(text.strip() for text in operands.split(",") if text.strip())])
    labels |= {"data": len(rows)} | {name: i for i, name in enumerate(DATA)}

    def value(text: str) -> int:
        if text in labels:
            return labels[text]
        return int(text[1:] if text[0] == "r" else text)

    words: list[int] = []
    for op, *operands in rows:
        if op == "reg_rd":
            words.append(encode(family, op, 9, 1, 0, 0))  # RTC_GPIO_IN_REG, 0x24 of RTC_IO
        elif op == "jump":
            words.append(encode(family, op, labels[operands[0]], 1))
        else:
            register = op in _ALU and operands[-1][0] == "r"
            words.append(encode(family, op, *(value(text) for text in operands), register=register))
    return [*words, 0, 1, 1, 0]  # nothing counted, the contact is open


def module_text() -> str:
    """Return the source of firmware/node/ulp_program.py."""
    lines = [
        '"""The coprocessor\'s program, assembled by tools/ulp.py: words in hexadecimal, code then data.',
        "",
        "The pin stands in the first word: its bit number in RTC_GPIO_IN_REG, << 23 and << 18.",
        '"""',
        "",
        "from wire._compat import const",
        "",
        f"CODE_WORDS = const({len(assemble('esp32')) - len(DATA)})",
        f"DATA_WORDS = const({len(DATA)})  # {', '.join(DATA)}",
        "PROGRAMS = {",
    ]
    for family in FAMILIES:
        words = [f"{word:08x}" for word in assemble(family)]
        lines.append(f'    "{family}": (')
        lines += [f'        "{"".join(words[i : i + 8])}"' for i in range(0, len(words), 8)]
        lines.append("    ),")
    return "\n".join([*lines, "}"]) + "\n"


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    text = module_text()
    if "--check" in arguments:
        if TARGET.exists() and TARGET.read_text("utf-8") == text:
            return 0
        print(f"ulp: {TARGET.name} is out of date: run python -m tools.ulp", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"ulp: wrote {TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
