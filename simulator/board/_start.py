# What the chip's start-up code does: boot.py, then main.py as __main__. An exception ends the node's
# life with its traceback in the log (the chip would sit at its prompt, dead until somebody resets it).
import random
import sys

from _link import HELLO, tell

random.seed(int.from_bytes(bytes.fromhex(HELLO["random"])[:4], "big"))


def _run(name, must):
    try:
        __import__(name)
    except ImportError as e:
        if must or name not in str(e):
            raise


def start():
    try:
        if HELLO["boot"]:
            _run("boot", False)
        if HELLO["script"]:
            with open(HELLO["script"]) as f:
                code = compile(f.read(), HELLO["script"], "exec")
            exec(code, {"__name__": "__main__"})
        else:
            _run("main", True)
        tell(28, 0, 0, b"")
    except SystemExit as e:
        tell(28, 0, 0, ("" if e.args in ((), (0,), (None,)) else "sys.exit" + repr(e.args)).encode())
    except BaseException as e:
        import uio

        text = uio.StringIO()
        sys.print_exception(e, text)
        print(text.getvalue())
        tell(28, 1, 0, text.getvalue().encode())


start()
