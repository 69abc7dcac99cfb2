"""Becomes a program, but only inside the named bubble. Run as a script of its own, right after `nsenter`.

`nsenter` goes by a process id, and an id may have been used again: without this look, a clone could start in the
machine's own network, where production is. It imports nothing of the project, so that it starts in milliseconds.
"""

import os
import sys

NOT_INSIDE = 126


def main() -> int:
    """`enter.py MARK PROGRAM ARGS...`; does not return when all is well."""
    mark, argv = sys.argv[1], sys.argv[2:]
    with open("/proc/self/net/fib_trie", encoding="ascii") as file:
        inside = f"|-- {mark}\n" in file.read()
    if not inside:
        print("refused: this is not the network of the bubble", file=sys.stderr)
        return NOT_INSIDE
    try:
        os.execvp(argv[0], argv)  # noqa: S606 (an argv list, no shell)
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main())
