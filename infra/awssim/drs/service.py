"""What it answers, and what goes on between two calls."""

import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends

from infra.awssim import states
from infra.awssim.call import Call
from infra.awssim.drs.things import JOB, Job, Launched, Server, runs, time_of
from infra.awssim.own import Answers, Refused

SERVICE = "drs"
AGENT = "awssim:drs"
MANAGED = {"AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com"}


class Recovery:
    """All of it, in all regions."""

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}
        self._agents: set[str] = set()
        """Machines whose agent was seen."""
        self._launched: dict[str, Launched] = {}
        self._jobs: dict[str, Job] = {}
        self._regions: set[tuple[str, str]] = set()
        """In which the service was initialised, by account."""
        self._lock = threading.Lock()

    @property
    def answers(self) -> Answers:
        """What it can."""
        found: Answers = {
            (SERVICE, "DescribeJobs"): self._describe_jobs,
            (SERVICE, "DescribeRecoveryInstances"): self._describe_launched,
            (SERVICE, "DescribeRecoverySnapshots"): self._describe_snapshots,
            (SERVICE, "DescribeSourceServers"): self._describe_servers,
            (SERVICE, "GetLaunchConfiguration"): self._launch_configuration,
            (SERVICE, "ReverseReplication"): self._reverse,
            (SERVICE, "StartRecovery"): self._start,
            (SERVICE, "TagResource"): self._tag,
            (SERVICE, "TerminateRecoveryInstances"): self._terminate,
        }
        initialise: Answers = {(SERVICE, "InitializeService"): self._initialise}
        return {**{name: self._up_to_date(answer) for name, answer in found.items()}, **initialise}

    def _up_to_date(self, answer: Any) -> Any:
        def answered(call: Call) -> dict[str, Any]:
            with self._lock:
                if (call.account, call.region) not in self._regions:
                    raise Refused("UninitializedAccountException", f"DRS is not initialised in {call.region}.")
                self._see_agents(call.account)
                self._go_on()
                found: dict[str, Any] = answer(call)
                return found

        return answered

    def _initialise(self, call: Call) -> dict[str, Any]:
        self._regions.add((call.account, call.region))
        return {}

    # --- Looks ---

    def _describe_servers(self, call: Call) -> dict[str, Any]:
        wanted = call.given.get("filters", {}).get("sourceServerIDs")
        found = [one for one in self._servers.values() if _here(call, one) and (not wanted or one.id in wanted)]
        return {"items": [one.told() for one in found]}

    def _describe_snapshots(self, call: Call) -> dict[str, Any]:
        server = self._server(call, call.given["sourceServerID"], "ValidationException")
        server.state()
        found = list(server.snapshots().items())
        if call.given.get("order") == "ASC":
            found.reverse()
        return {
            "items": [
                {
                    "snapshotID": name,
                    "sourceServerID": server.id,
                    "expectedTimestamp": time_of(moment),
                    "timestamp": time_of(moment),
                    "ebsSnapshots": [],
                }
                for name, moment in found
            ]
        }

    def _describe_launched(self, call: Call) -> dict[str, Any]:
        filters = call.given.get("filters", {})
        servers, names = filters.get("sourceServerIDs"), filters.get("recoveryInstanceIDs")
        found = [
            one
            for one in self._launched.values()
            if _here(call, one.server) and (not servers or one.server.id in servers) and (not names or one.id in names)
        ]
        return {"items": [one.told() for one in found]}

    def _describe_jobs(self, call: Call) -> dict[str, Any]:
        filters = call.given.get("filters", {})
        names, earliest = filters.get("jobIDs"), filters.get("fromDate", "")
        found = [
            one
            for one in self._jobs.values()
            if _here(call, one) and (not names or one.id in names) and time_of(one.since) >= earliest
        ]
        return {"items": [one.told() for one in sorted(found, key=lambda one: one.since, reverse=True)]}

    def _launch_configuration(self, call: Call) -> dict[str, Any]:
        server = self._server(call, call.given["sourceServerID"], "ResourceNotFoundException")
        return {
            "sourceServerID": server.id,
            "name": server.machine,
            "ec2LaunchTemplateID": server.template,
            "launchDisposition": "STARTED",
            "copyPrivateIp": False,
            "copyTags": False,
        }

    # --- Changes ---

    def _start(self, call: Call) -> dict[str, Any]:
        wanted = {one["sourceServerID"]: one.get("recoverySnapshotID", "") for one in call.given["sourceServers"]}
        for name, snapshot in wanted.items():
            server = self._server(call, name, "ConflictException")
            if any(name in job.wanted for job in self._jobs.values() if not job.ended):
                raise Refused("ConflictException", f"A job of {name} is not over.")
            if server.state() == "INITIAL_SYNC":
                raise Refused("ConflictException", f"{name} is not ready to be launched.")
            if snapshot and snapshot not in server.snapshots():
                raise Refused("ConflictException", f"There is no snapshot {snapshot} of {name}.")
        by = "START_DRILL" if call.given.get("isDrill") else "START_RECOVERY"
        return self._begin(Job(call.account, call.region, "LAUNCH", by, dict(call.given.get("tags") or {}), wanted))

    def _terminate(self, call: Call) -> dict[str, Any]:
        wanted: dict[str, str] = {}
        for name in call.given["recoveryInstanceIDs"]:
            launched = self._instance(call, name, "ConflictException")
            if launched.reversed:
                raise Refused("ConflictException", f"{name} is being replicated.")
            wanted[launched.server.id] = name
        by = "TERMINATE_RECOVERY_INSTANCES"
        return self._begin(Job(call.account, call.region, "TERMINATE", by, {}, wanted))

    def _begin(self, job: Job) -> dict[str, Any]:
        self._jobs[job.id] = job
        return {"job": job.told() | {"status": "PENDING"}}

    def _reverse(self, call: Call) -> dict[str, Any]:
        launched = self._instance(call, call.given["recoveryInstanceID"], "ResourceNotFoundException")
        server = launched.server
        if launched.reversed or not runs(server.account, server.region, launched.id):
            raise Refused("ConflictException", f"{launched.id} is being replicated, or its agent does not run.")
        if (server.account, server.home) not in self._regions:
            raise Refused("ConflictException", f"DRS is not initialised in {server.home}.")
        if server.direction == "FAILBACK":
            (found,) = [one for one in self._servers.values() if one.arn == server.opposite]
            found.machine, found.home, found.since = launched.id, server.region, datetime.now(UTC)
        else:
            found = self._add(Server(server.account, server.home, launched.id, server.region, "FAILBACK", server.arn))
            server.opposite = found.arn
        launched.reversed = found
        return {"reversedDirectionSourceServerArn": found.arn}

    def _tag(self, call: Call) -> dict[str, Any]:
        name = call.given["resourceArn"].rpartition("/")[2]
        self._instance(call, name, "ResourceNotFoundException").tags.update(call.given["tags"])
        return {}

    # --- What goes on meanwhile ---

    def _see_agents(self, account: str) -> None:
        for home, backend in list(ec2_backends[account].items()):
            for machine, tags in list(backend.tags.items()):
                if AGENT in tags and machine not in self._agents:
                    self._agents.add(machine)
                    self._add(Server(account, tags[AGENT], machine, str(home)))

    def _add(self, server: Server) -> Server:
        backend = ec2_backends[server.account][server.region]
        data = {"InstanceType": "t3.micro"}
        server.template = str(backend.create_launch_template(f"drs-{server.id}", "", data, {}).id)
        self._servers[server.id] = server
        return server

    def _go_on(self) -> None:
        for job in self._jobs.values():
            if job.ended or time.monotonic() - job.began < states.delay(JOB):
                continue
            for name in job.wanted:
                server = self._servers[name]
                self._end(server)
                job.results[name] = ("TERMINATED", "") if job.kind == "TERMINATE" else self._launch(job, server)
            job.ended = datetime.now(UTC)

    def _launch(self, job: Job, server: Server) -> tuple[str, str]:
        backend = ec2_backends[server.account][server.region]
        data = backend.get_launch_template(server.template).default_version().data
        subnets = [one["SubnetId"] for one in _listed(data.get("NetworkInterfaces")) if "SubnetId" in one]
        try:
            made = backend.run_instances(
                "ami-00000000",
                1,
                None,
                [],
                instance_type=data.get("InstanceType", "t3.micro"),
                is_instance_type_default=False,
                region_name=server.region,
                tags={"instance": MANAGED},
                **({"subnet_id": subnets[0]} if subnets else {}),
            )
        except (EC2ClientError, ServiceException):
            return "FAILED", ""
        server.instance = str(made.instances[0].id)
        snapshot = job.wanted[server.id]
        moment = server.snapshots().get(snapshot, job.since) if snapshot else job.since
        self._launched[server.instance] = Launched(server.instance, server, job, moment)
        return "LAUNCHED", server.instance

    def _end(self, server: Server) -> None:
        if server.instance:
            del self._launched[server.instance]
            ec2_backends[server.account][server.region].terminate_instances([server.instance])
            server.instance = ""

    def _server(self, call: Call, name: str, code: str) -> Server:
        found = self._servers.get(name)
        if found is None or not _here(call, found):
            raise Refused(code, f"There is no source server {name}.")
        return found

    def _instance(self, call: Call, name: str, code: str) -> Launched:
        found = self._launched.get(name)
        if found is None or not _here(call, found.server):
            raise Refused(code, f"There is no recovery instance {name}.")
        return found


def _here(call: Call, thing: Server | Job) -> bool:
    return (thing.account, thing.region) == (call.account, call.region)


def _listed(found: Any) -> Iterable[dict[str, Any]]:
    """Of template data, in which EC2's parser may keep lists as mappings."""
    return found.values() if isinstance(found, dict) else found or ()
