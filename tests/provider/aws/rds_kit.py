"""A database in the east, its replica or its snapshots in the west, and the provider that looks after them."""

import functools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from activities.providers.aws.rds import PROVIDER
from activities.providers.aws.rds.provider import RdsProvider
from activities.providers.base import now
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD, request
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach
from workflows.model.runbook import Component

REGIONS = {OLD: EAST, NEW: WEST}
STREAMING = Component.model_validate(
    {
        "role": "data",
        "kind": "aws.rds",
        "replication": {"mode": "continuous", "snapshots": {"keep": 2, "keep_for": "1ms"}},
    }
)
COPIES = Component.model_validate(
    {"role": "data", "kind": "aws.rds", "replication": {"mode": "backup", "snapshots": {"keep": 2, "keep_for": "1ms"}}}
)


@functools.cache
def network(world: World, region: str) -> tuple[str, str]:
    """A subnet group `private` in a region, and two security groups: the application's, and one that lets nobody in."""
    ec2 = world.client("ec2", region)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    world.client("rds", region).create_db_subnet_group(
        DBSubnetGroupName="private", DBSubnetGroupDescription="test", SubnetIds=[subnet]
    )
    made = [ec2.create_security_group(GroupName=name, Description="test", VpcId=vpc) for name in ("app", "nobody")]
    return made[0]["GroupId"], made[1]["GroupId"]


class Databases(AwsSubject):
    """An effect on one of the two. Both have the same name: a name belongs to a region."""

    part = STREAMING
    verb = ""
    undo_verb = ""
    acts_at = NEW
    streams = True

    def __init__(self, folder: Path, world: World) -> None:
        self.name = world.name()
        self.groups = {region: network(world, region) for region in REGIONS.values()}
        self.rds = {site: world.client("rds", region) for site, region in REGIONS.items()}
        self.rds[OLD].create_db_instance(
            DBInstanceIdentifier=self.name, DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=20,
            MasterUsername="app", MasterUserPassword="not-a-secret", VpcSecurityGroupIds=[self.groups[EAST][0]],
        )  # fmt: skip
        if self.streams:
            self.replicate(OLD, NEW)
        super().__init__(folder, world)
        self.planned: Any = None
        self.prepare()
        self.mark = world.mark()

    def prepare(self) -> None:
        """What has to stand before the effect."""

    def replicate(self, source: str, site: str) -> None:
        """A replica at a site of what is at the other."""
        self.rds[site].create_db_instance_read_replica(
            DBInstanceIdentifier=self.name,
            SourceDBInstanceIdentifier=self.look(source)["DBInstanceArn"],
            VpcSecurityGroupIds=[self.groups[REGIONS[site]][0]],
        )

    def look(self, site: str, name: str = "") -> Any:
        """An instance as RDS tells it; None when there is none."""
        try:
            found = self.rds[site].describe_db_instances(DBInstanceIdentifier=name or self.name)
        except self.rds[site].exceptions.DBInstanceNotFoundFault:
            return None
        return found["DBInstances"][0]

    def source(self, site: str) -> str | None:
        """What the instance of a site follows."""
        found = self.look(site)
        return found.get("ReadReplicaSourceDBInstanceIdentifier") if found else None

    def behind(self, site: str) -> list[str]:
        """The security groups of the instance of a site."""
        return [one["VpcSecurityGroupId"] for one in self.look(site)["VpcSecurityGroups"]]

    def regroup(self, site: str, *groups: str) -> None:
        """Other security groups, set past the provider."""
        self.rds[site].modify_db_instance(DBInstanceIdentifier=self.name, VpcSecurityGroupIds=list(groups))

    def isolate(self, site: str) -> None:
        """Nobody gets in any more."""
        self.regroup(site, self.groups[REGIONS[site]][1])

    def lag(self, seconds: float, at: datetime | None = None, metric: str = "ReplicaLag", site: str = NEW) -> None:
        """What CloudWatch has measured."""
        self.world.client("cloudwatch", REGIONS[site]).put_metric_data(
            Namespace="AWS/RDS",
            MetricData=[
                {
                    "MetricName": metric,
                    "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": self.name}],
                    "Value": seconds,
                    "Timestamp": at or datetime.now(UTC) - timedelta(seconds=5),
                }
            ],
        )

    def provider(self, over_: bool = False, bubble: Bubble | None = None, **limits: Any) -> RdsProvider:
        sites = {
            site: {
                "region": region,
                "instance": self.name,
                "instance_class": "db.t3.small",
                "subnet_group": "private",
                "security_groups": [self.groups[region][0]],
                "isolation_group": self.groups[region][1],
                "drill_subnet_group": "private",
                "drill_security_groups": [self.groups[region][0]],
            }
            for site, region in REGIONS.items()
        }
        settings = PROVIDER.Settings.model_validate({"sites": sites, "read_timeout": "3s", "settle": "8s", **limits})
        made = worker(self.folder, over if over_ else lambda: None)
        return RdsProvider(settings, made if bubble is None else type(made)(**{**vars(made), "bubble": bubble}))

    def asked(self, where: str = "", epoch: int = EPOCH, **more: Any) -> StepRequest:
        """The component has the instance's name, so that no test meets what another one has left in the register."""
        found = request(where or self.acts_at, f"db.{self.verb}", epoch, self.part, before=self.planned, **more)
        return found.model_copy(update={"target": found.target.model_copy(update={"name": self.name})})

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.asked(where, epoch, **self.more())
        if where:  # at a site that the component does not have, whichever of its sites the verb acts on
            turned = asked.target.model_copy(update={"source": where, "target": where})
            asked = asked.model_copy(update={"target": turned})
        done: StepResult = await getattr(self.provider(over), self.verb)(asked)
        return done

    def more(self) -> dict[str, Any]:
        """What else the request holds."""
        return {}

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        done: StepResult = await getattr(self.provider(), self.undo_verb)(
            self.asked(epoch=epoch, undo=True, result=result)
        )
        return done

    async def plan(self) -> None:
        """What the run has seen before."""
        self.planned = await self.provider().observe("db", self.acts_at, "control")

    async def disturb(self) -> None:
        await self.plan()
        self.regroup(self.acts_at, *self.groups[REGIONS[self.acts_at]])

    def proof(self, at: datetime | None = None) -> FenceProof:
        """That the old site was fenced."""
        return FenceProof(
            component="db", site=OLD, epoch=EPOCH, method="test", proven=True, write_probe=Reach.REFUSED, at=at or now()
        )

    def keep(self, *names: str, site: str = NEW, **tags: str) -> None:
        """Snapshots of ours at a site, the oldest first."""
        marks = {"application": "shop", "component": self.name, **tags}
        pairs = [{"Key": f"seawall:{key}", "Value": value} for key, value in marks.items()]
        for name in names:
            self.rds[site].create_db_snapshot(
                DBInstanceIdentifier=self.name, DBSnapshotIdentifier=f"{self.name}-{name}", Tags=pairs
            )

    def kept(self, site: str = NEW) -> list[str]:
        """The snapshots of a site, by name."""
        found = self.rds[site].describe_db_snapshots(DBInstanceIdentifier=self.name, SnapshotType="manual")[
            "DBSnapshots"
        ]
        return sorted(one["DBSnapshotIdentifier"].removeprefix(f"{self.name}-") for one in found)
