"""Tries to get out of the network that it runs in. Run as a script of its own inside a bubble, with
`[[canary, host, port], ...]` as JSON on standard input; standard output tells what happened to each try.

Every try is real: a packet that left would show on an interface other than `lo`, and there must be none.
"""

import errno
import json
import socket
import sys

SECONDS = 2.0
# Reserved for documentation: nobody lives there, and a network that has any way out would route it.
ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def main() -> int:
    """Try everything."""
    told = {
        "canaries": [[canary, attempt(_family(host), host, port)] for canary, host, port in json.load(sys.stdin)],
        "elsewhere": {
            f"{word} {host}": attempt(family, host, 9, kind)
            for family, host in ELSEWHERE
            for word, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM))
        },
        "interfaces": _interfaces(),
    }
    print(json.dumps(told))
    return 0


def attempt(family: int, host: str, port: int, kind: int = socket.SOCK_STREAM) -> str:
    """`reached`, or the name of the error."""
    try:
        with socket.socket(family, kind) as handle:
            handle.settimeout(SECONDS)
            handle.connect((host, port))
            if kind == socket.SOCK_DGRAM:
                handle.send(b"seawall")
    except TimeoutError:
        return "ETIMEDOUT"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "OSError")
    return "reached"


def _family(host: str) -> int:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _interfaces() -> dict[str, int]:
    """Each interface with the packets that it has sent."""
    with open("/proc/self/net/dev", encoding="ascii") as file:
        lines = [line.partition(":") for line in file.readlines()[2:]]
    return {name.strip(): int(numbers.split()[9]) for name, _, numbers in lines}


if __name__ == "__main__":
    sys.exit(main())
