"""What the tests of `aws.drs` share: servers in the east with the agent, replicated to the west."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from activities.providers.aws.drs import PROVIDER
from activities.providers.aws.drs.provider import DrsProvider
from activities.providers.base import now
from infra.awssim.drs.service import AGENT
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import REGIONS, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD, request
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.runbook import Component

SERVERS = Component.model_validate({"role": "data", "kind": "aws.drs", "replication": {"mode": "continuous"}})


class Estate(AwsSubject):
    """Replicated servers, nothing launched."""

    operation = "StartRecovery"
    names: tuple[str, ...] = ("web",)
    undoable = False

    def __init__(self, folder: Path, world: World) -> None:
        self.drs = {site: world.client("drs", region) for site, region in REGIONS.items()}
        self.ec2 = {site: world.client("ec2", region) for site, region in REGIONS.items()}
        for client in self.drs.values():
            client.initialize_service()
        self.machines = {name: world.instance(f"{EAST}a") for name in self.names}
        self.ec2[OLD].create_tags(Resources=list(self.machines.values()), Tags=[{"Key": AGENT, "Value": WEST}])
        by_machine = {self.protected(one): one["sourceServerID"] for one in self.listed(NEW)}
        self.servers = {name: by_machine[machine] for name, machine in self.machines.items()}
        self.subnets: list[str] = []
        self.bubble: Bubble | None = None
        self.planned: Any = None
        super().__init__(folder, world)

    @staticmethod
    def protected(server: dict[str, Any]) -> str:
        return str(server["sourceProperties"]["identificationHints"]["awsInstanceID"])

    def listed(self, site: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.drs[site].describe_source_servers(filters={})["items"]
        return found

    def provider(self, over_: bool = False, **more: Any) -> DrsProvider:
        sites: dict[str, Any] = {
            OLD: {"region": EAST, "instances": self.machines},
            NEW: {"region": WEST, "servers": self.servers, "drill_subnets": self.subnets},
        }
        given = {"sites": sites, "read_timeout": "5s", "settle": "20s", "prune_cap": 5} | more
        context = worker(self.folder, over if over_ else lambda: None)
        return DrsProvider(PROVIDER.Settings.model_validate(given), context)

    def asked(self, verb: str, epoch: int = EPOCH, where: str = NEW, **more: Any) -> StepRequest:
        found = self.own(request(where, f"servers.{verb}", epoch, SERVERS, **more))
        return found.model_copy(update={"target": found.target.model_copy(update={"bubble": self.bubble})})

    def stop(self, site: str, *names: str) -> None:
        """Stop machines, as a fence device would."""
        self.ec2[site].stop_instances(InstanceIds=list(names))

    def launched(self, site: str = NEW) -> list[dict[str, Any]]:
        """Of these servers, past the provider."""
        ids = list(self.servers.values()) if site == NEW else [one["sourceServerID"] for one in self.ways_back()]
        if not ids:
            return []
        found = self.drs[site].describe_recovery_instances(filters={"sourceServerIDs": ids})["items"]
        return sorted(found, key=lambda one: str(one["recoveryInstanceID"]))

    def ways_back(self) -> list[dict[str, Any]]:
        ours = set(self.servers.values())
        return [one for one in self.listed(OLD) if one["reversedDirectionSourceServerArn"].rpartition("/")[2] in ours]

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        raise AssertionError("It has no undo.")

    async def state(self) -> Any:
        return [(one["recoveryInstanceID"], one["ec2InstanceState"]) for one in self.launched()]

    def strange_launch(self, drill: bool = False) -> None:
        """Somebody launches the servers by hand."""
        wanted = [{"sourceServerID": one} for one in self.servers.values()]
        self.drs[NEW].start_recovery(sourceServers=wanted, isDrill=drill)
        self.launched()
        self.mark = self.world.mark()


class Promote(Estate):
    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).promote(self.asked("promote", epoch, where or NEW, before=self.planned))

    async def disturb(self) -> None:
        self.planned = await self.provider().observe("servers", NEW, "control")
        self.strange_launch()
        self.stop(NEW, *(one["ec2InstanceID"] for one in self.launched()))


class Pair(Promote):
    names = ("db", "web")


class Clone(Estate):
    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        self.subnets = [self.ec2[NEW].describe_subnets()["Subnets"][0]["SubnetId"]]
        self.bubble = Bubble(name="drill-1", site=NEW, expires=now() + timedelta(hours=1))
        self.lead_into(self.subnets[0])

    def lead_into(self, subnet: str) -> None:
        """The launch templates name that subnet."""
        for server in self.servers.values():
            template = self.drs[NEW].get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"]
            made = self.ec2[NEW].create_launch_template_version(
                LaunchTemplateId=template,
                LaunchTemplateData={"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": subnet}]},
            )
            version = str(made["LaunchTemplateVersion"]["VersionNumber"])
            self.ec2[NEW].modify_launch_template(LaunchTemplateId=template, DefaultVersion=version)
        self.mark = self.world.mark()

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).clone_data(self.asked("clone_data", epoch, where or NEW))

    async def disturb(self) -> None:
        self.strange_launch()


class Rebuild(Estate):
    """The servers run in the west, and those in the east are stopped."""

    operation = "ReverseReplication"

    async def ready(self) -> "Rebuild":
        await self.provider().promote(self.asked("promote"))
        self.stop(OLD, *self.machines.values())
        self.mark = self.world.mark()
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.asked("rebuild", epoch, where or OLD, before=self.planned)
        return await self.provider(over).rebuild_replica(asked)

    async def state(self) -> Any:
        return sorted((one["sourceServerID"], self.protected(one)) for one in self.ways_back())

    async def disturb(self) -> None:
        self.planned = await self.provider().observe("servers", OLD, "control")
        self.ec2[OLD].start_instances(InstanceIds=list(self.machines.values()))
