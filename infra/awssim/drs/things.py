"""What Elastic Disaster Recovery knows of: source servers, jobs, and the instances that it has launched."""

import hashlib
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends

from infra.awssim import states

JOB, SYNC = "drs.job", "drs.sync"
KEPT = 60


def _id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:17]}"


def time_of(moment: datetime) -> str:
    """A moment as the API writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Server:
    """A source server: the disks of one machine, as they arrive in a region."""

    account: str
    region: str
    machine: str
    home: str
    """The region of the machine."""
    direction: str = "FAILOVER"
    opposite: str = ""
    """ARN of the source server of the other direction."""
    template: str = ""
    instance: str = ""
    """Launched of it; one at most."""
    id: str = field(default_factory=lambda: _id("s"))
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    silent: datetime | None = None
    """Since when its machine has not run."""

    @property
    def arn(self) -> str:
        """Its name in all regions."""
        return f"arn:aws:drs:{self.region}:{self.account}:source-server/{self.id}"

    def state(self) -> str:
        """Of the replication; looks at the machine."""
        self.silent = None if runs(self.account, self.home, self.machine) else self.silent or datetime.now(UTC)
        if (datetime.now(UTC) - self.since).total_seconds() < states.delay(SYNC):
            return "INITIAL_SYNC"
        return "STALLED" if self.silent else "CONTINUOUS"

    def snapshots(self) -> dict[str, datetime]:
        """Their moments, the newest first."""
        last = int(((self.silent or datetime.now(UTC)) - self.since).total_seconds())
        return {
            f"pit-{hashlib.sha256(f'{self.id}:{number}'.encode()).hexdigest()[:17]}": self.since
            + timedelta(seconds=number)
            for number in range(last, max(-1, last - KEPT), -1)
        }

    def told(self) -> dict[str, Any]:
        """As the API tells it."""
        state = self.state()
        behind = int((datetime.now(UTC) - self.silent).total_seconds()) if self.silent else 0
        lag = {} if state == "INITIAL_SYNC" else {"lagDuration": f"PT{behind}S"}
        return {
            "sourceServerID": self.id,
            "arn": self.arn,
            "tags": {},
            "dataReplicationInfo": {"dataReplicationState": state, **lag},
            "lifeCycle": {"addedToServiceDateTime": time_of(self.since)},
            "sourceProperties": {"identificationHints": {"awsInstanceID": self.machine}},
            "sourceCloudProperties": {"originAccountID": self.account, "originRegion": self.home},
            "replicationDirection": self.direction,
            **({"recoveryInstanceId": self.instance} if self.instance else {}),
            **({"reversedDirectionSourceServerArn": self.opposite} if self.opposite else {}),
        }


@dataclass
class Job:
    """A launch, or an end of what was launched."""

    account: str
    region: str
    kind: str
    by: str
    tags: dict[str, str]
    wanted: dict[str, str]
    """By source server: the snapshot, or the instance that is ended; empty for the newest data."""
    id: str = field(default_factory=lambda: _id("drsjob"))
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=time.monotonic)
    ended: datetime | None = None
    results: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By source server: what became of it, and the instance."""

    @property
    def drill(self) -> bool:
        """Whether what it launches is for a drill."""
        return self.by == "START_DRILL"

    def told(self) -> dict[str, Any]:
        """As the API tells it."""
        servers = []
        for server in self.wanted:
            status, instance = self.results.get(server, ("PENDING", ""))
            named = {"recoveryInstanceID": instance} if instance else {}
            servers.append({"sourceServerID": server, "launchStatus": status, **named})
        return {
            "jobID": self.id,
            "arn": f"arn:aws:drs:{self.region}:{self.account}:job/{self.id}",
            "type": self.kind,
            "initiatedBy": self.by,
            "creationDateTime": time_of(self.since),
            "status": "COMPLETED" if self.ended else "STARTED",
            "participatingServers": servers,
            "tags": self.tags,
            **({"endDateTime": time_of(self.ended)} if self.ended else {}),
        }


@dataclass
class Launched:
    """A recovery instance."""

    id: str
    server: Server
    job: Job
    moment: datetime
    """Of its data."""
    reversed: Server | None = None
    """The source server that it is replicated to, once that was asked for."""
    tags: dict[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """As the API tells it."""
        account, region = self.server.account, self.server.region
        return {
            "recoveryInstanceID": self.id,
            "ec2InstanceID": self.id,
            "ec2InstanceState": state_of(account, region, self.id).upper(),
            "arn": f"arn:aws:drs:{region}:{account}:recovery-instance/{self.id}",
            "sourceServerID": self.server.id,
            "jobID": self.job.id,
            "isDrill": self.job.drill,
            "pointInTimeSnapshotDateTime": time_of(self.moment),
            "tags": self.tags,
            "originEnvironment": "AWS",
            "dataReplicationInfo": {
                "dataReplicationState": self.reversed.state() if self.reversed else "NOT_STARTED",
            },
        }


def state_of(account: str, region: str, machine: str) -> str:
    """Of a machine, as EC2 has it."""
    try:
        return str(ec2_backends[account][region].get_instance(machine).state)
    except EC2ClientError:
        return "not_found"


def runs(account: str, region: str, machine: str) -> bool:
    """Whether a machine, and with it its agent, runs."""
    return state_of(account, region, machine) == "running"
