"""`python -m infra.awssim --port N [--detach] [--stock-images] [--leashed]`."""

import argparse
import json

from infra.awssim.handle import launch


def main() -> None:
    """Serve here, or start a process that serves."""
    parser = argparse.ArgumentParser(prog="python -m infra.awssim", description="Simulated AWS regions on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--detach", action="store_true", help="return when it is ready, and leave it running")
    parser.add_argument("--stock-images", action="store_true", help="moto's 1,301 stock images (seconds more)")
    parser.add_argument("--leashed", action="store_true", help="end with standard input")
    asked = parser.parse_args()
    if not asked.detach:
        from infra.awssim.server import serve  # loads moto, which takes seconds

        serve(asked.port, asked.stock_images, asked.leashed)
        return
    process, url = launch(asked.port, asked.stock_images, detached=True)
    print(json.dumps({"url": url, "pid": process.pid}), flush=True)
    # It is meant to outlive us; without this, Popen would complain that it still runs.
    process.returncode = 0


if __name__ == "__main__":
    main()
