"""Holds a bubble's network open: sets its loopback interface up, marks it, and waits to be killed.

Run as a script of its own inside a new network namespace: `holder.py MARK FOLDER ADDRESS...`. The mark is one more
loopback address, by which every process of the bubble can be told from all others in `/proc/PID/net`: an inode number
of a namespace is used again once the namespace is gone, and killing by it could hit a stranger. It is set last: who
sees it knows that the network is ready. A holder whose bubble's folder is gone came too late, and ends by itself.
"""

import fcntl
import os
import socket
import struct
import sys
import time

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
IFF_UP = 0x1
LOOK_SECONDS = 5.0


def main() -> int:
    """Set up and wait until the folder is gone."""
    mark, folder, *addresses = sys.argv[1:]
    if not _marked(mark):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            _up(handle)
            for number, address in enumerate(addresses, 1):
                _add(handle, f"lo:{number}", address)
            _add(handle, "lo:0", mark)
    while os.path.isdir(folder):
        time.sleep(LOOK_SECONDS)
    return 0


def _marked(mark: str) -> bool:
    with open("/proc/self/net/fib_trie", encoding="ascii") as file:
        return f"|-- {mark}\n" in file.read()


def _up(handle: socket.socket) -> None:
    flags = struct.unpack("16xH", fcntl.ioctl(handle, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))[:18])[0]
    fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def _add(handle: socket.socket, name: str, address: str) -> None:
    for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.255")):
        where = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
        fcntl.ioctl(handle, request, struct.pack("16s16s8x", name.encode(), where))


if __name__ == "__main__":
    sys.exit(main())
