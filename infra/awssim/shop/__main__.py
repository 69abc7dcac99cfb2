"""`python -m infra.awssim.shop CONFIG.json`: the simulator and the shop in one process, until killed."""

import asyncio
import os
import sys
import threading
from pathlib import Path

from infra.awssim import states
from infra.awssim.faults import Faults
from infra.awssim.server import make
from infra.lab import dns_wire

from .config import Config
from .front import Front
from .names import Names
from .plane import Plane


def main(config: Config) -> None:
    """Serve everything."""
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    faults = Faults()
    server = make(config.port, faults)
    states.set_delays({"ec2.instance": config.boot, "route53.change": config.change})
    plane = Plane(config, faults)
    for site in config.sites:
        Front(plane, site).begin()
    threading.Thread(target=server.serve_forever, name="awssim", daemon=True).start()
    host, _, port = config.dns.rpartition(":")
    asyncio.run(dns_wire.serve(host, int(port), Names(plane).handle))


if __name__ == "__main__":
    main(Config.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8")))
