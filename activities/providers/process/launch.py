"""Starts one program that outlives its starter. Run as a script of its own, with the order as JSON on standard input.

The worker must not be the parent of the service: it would leave a zombie when it does not reap, and forking a threaded
process is unsafe. So this small program forks: the child notes its pid, becomes the service and is left behind. It
imports nothing of the project, so that it starts in a few milliseconds. Standard output tells `{"pid": N}` or
`{"error": "..."}`, and an error means that nothing runs.
"""

import json
import os
import sys
from typing import Any


def main() -> int:
    """Start what is ordered; 0 when the program has been started."""
    order = json.load(sys.stdin)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        try:
            _become(order)
        except OSError as error:
            os.write(write_end, f"{error.filename or order['argv'][0]}: {error.strerror}".encode())
        finally:
            os._exit(127)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        failure = pipe.read().decode(errors="replace")
    if failure:
        os.waitpid(pid, 0)
        print(json.dumps({"error": failure}))
        return 1
    print(json.dumps({"pid": pid}))
    return 0


def _become(order: dict[str, Any]) -> None:
    os.setsid()
    os.chdir(order["cwd"])
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log_file"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    # Noted before the service exists: a worker that dies now must find it, or it would start a second one.
    note = order["note"] | {"pid": os.getpid()}
    part = f"{order['pid_file']}.part"
    with open(part, "w", encoding="utf-8") as file:
        json.dump(note, file)
    os.replace(part, order["pid_file"])
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.execvpe(order["argv"][0], order["argv"], order["env"])  # noqa: S606 (an argv list, no shell)


if __name__ == "__main__":
    sys.exit(main())
