"""Start the node; whatever happens, start again. Everything else is in node/start.py."""

import sys
import time

import machine


def main():
    """Run the node. It only comes back with an exception that it could not deal with itself."""
    try:
        from node import start

        start.run()
    except Exception as error:  # a file that does not import, memory that does not suffice
        sys.print_exception(error)
    time.sleep_ms(60000)  # time for Ctrl-C and a repair at the console
    machine.reset()


if __name__ in ("__main__", "main"):
    main()
