"""Things to test with, each made by one call."""

import io
import itertools
import json
import zipfile
from typing import Any

from infra.awssim.handle import Simulator
from infra.awssim.ledger import Entry, Outcome

EAST, WEST = "us-east-1", "us-west-2"


class World:
    """Makes things, and reads what the ledger says of them."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self._numbers = itertools.count(1)
        self._clients: dict[tuple[str, str], Any] = {}

    def name(self) -> str:
        """One that nobody has."""
        return f"thing-{next(self._numbers)}"

    def client(self, service: str, region: str = EAST) -> Any:
        """A client with the SDK's own retries."""
        if (service, region) not in self._clients:
            self._clients[service, region] = self.sim.client(service, region)
        return self._clients[service, region]

    def once(self, service: str, region: str = EAST, **config: Any) -> Any:
        """A client that never tries twice."""
        return self.sim.client(service, region, retries={"total_max_attempts": 1}, **config)

    def image(self, region: str = EAST) -> str:
        """An image."""
        return str(self.client("ec2", region).register_image(Name=self.name(), RootDeviceName="/dev/sda1")["ImageId"])

    def instance(self, zone: str = f"{EAST}a") -> str:
        """A running instance in a zone."""
        region = zone[:-1]
        ran = self.client("ec2", region).run_instances(
            ImageId=self.image(region), MinCount=1, MaxCount=1, Placement={"AvailabilityZone": zone}
        )
        return str(ran["Instances"][0]["InstanceId"])

    def terminated(self) -> str:
        """An instance that is no more."""
        instance = self.instance()
        self.client("ec2").terminate_instances(InstanceIds=[instance])
        return instance

    def volume(self, zone: str = f"{EAST}a") -> str:
        """A free volume in a zone."""
        return str(self.client("ec2", zone[:-1]).create_volume(AvailabilityZone=zone, Size=1)["VolumeId"])

    def group(self, **sizes: int) -> str:
        """An Auto Scaling group, from 0 to 3 instances."""
        name, scaling = self.name(), self.client("autoscaling")
        scaling.create_launch_configuration(LaunchConfigurationName=name, ImageId=self.image(), InstanceType="t3.micro")
        given = {"MinSize": 0, "MaxSize": 3, "DesiredCapacity": 1} | sizes
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name, LaunchConfigurationName=name, AvailabilityZones=[f"{EAST}a"], **given
        )
        return name

    def nodegroup(self, region: str = EAST) -> tuple[str, str]:
        """A cluster of EKS and its node group of 0 to 3 nodes, which has none, with the instances' group behind it."""
        name, eks, scaling = self.name(), self.client("eks", region), self.client("autoscaling", region)
        subnet = self.client("ec2", region).describe_subnets()["Subnets"][0]["SubnetId"]
        role = "arn:aws:iam::123456789012:role/nodes"
        eks.create_cluster(name=name, roleArn=role, resourcesVpcConfig={"subnetIds": [subnet]})
        sizes = {"minSize": 0, "maxSize": 3, "desiredSize": 0}
        made = eks.create_nodegroup(
            clusterName=name, nodegroupName="workers", nodeRole=role, subnets=[subnet], scalingConfig=sizes
        )
        behind = made["nodegroup"]["resources"]["autoScalingGroups"][0]["name"]
        scaling.create_launch_configuration(
            LaunchConfigurationName=name, ImageId=self.image(region), InstanceType="t3.micro"
        )
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=behind, LaunchConfigurationName=name, AvailabilityZones=[f"{region}a"],
            MinSize=0, MaxSize=3, DesiredCapacity=0,
        )  # fmt: skip
        return name, "workers"

    def zone(self) -> str:
        """A hosted zone `example.test`."""
        made = self.client("route53").create_hosted_zone(Name="example.test", CallerReference=self.name())
        return str(made["HostedZone"]["Id"])

    def change(self, zone: str, *changes: dict[str, Any]) -> Any:
        """A batch of changes."""
        return self.client("route53").change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": list(changes)}
        )

    def records(self, zone: str) -> dict[str, list[str]]:
        """Values by name of the A records."""
        found = self.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return {
            one["Name"]: [value["Value"] for value in one["ResourceRecords"]] for one in found if one["Type"] == "A"
        }

    def database(self, region: str = EAST) -> str:
        """A database instance."""
        name = self.name()
        self.client("rds", region).create_db_instance(
            DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=20,
            MasterUsername="app", MasterUserPassword="not-a-secret",
        )  # fmt: skip
        return name

    def replica(self) -> tuple[str, str]:
        """A database in the east and its replica in the west."""
        source, name = self.database(), self.name()
        arn = self.look("rds", source)["DBInstanceArn"]
        self.client("rds", WEST).create_db_instance_read_replica(
            DBInstanceIdentifier=name, SourceDBInstanceIdentifier=arn
        )
        return source, name

    def cluster(self, region: str = EAST, **more: str) -> str:
        """The ARN of an Aurora cluster."""
        owner = {"MasterUsername": "app", "MasterUserPassword": "not-a-secret"}
        made = self.client("rds", region).create_db_cluster(
            DBClusterIdentifier=self.name(), Engine="aurora-postgresql", **(more or owner)
        )
        return str(made["DBCluster"]["DBClusterArn"])

    def global_database(self) -> tuple[str, str, str]:
        """Its name, its writer in the east and its secondary in the west."""
        name, writer = self.name(), self.cluster()
        self.client("rds").create_global_cluster(GlobalClusterIdentifier=name, SourceDBClusterIdentifier=writer)
        return name, writer, self.cluster(WEST, GlobalClusterIdentifier=name)

    def look(self, service: str, name: str, region: str = EAST) -> Any:
        """An instance of EC2 or RDS, as it is described."""
        client = self.client(service, region)
        if service == "rds":
            return client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        return client.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]

    def bucket(self, region: str = EAST) -> str:
        """A bucket that keeps versions."""
        name, s3 = f"bucket-{self.name()}", self.client("s3", region)
        where = {} if region == EAST else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **where)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def table(self, *replicas: str) -> str:
        """A table in the east with replicas in other regions."""
        name, dynamo = f"table-{self.name()}", self.client("dynamodb")
        dynamo.create_table(
            TableName=name, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )  # fmt: skip
        for region in replicas:
            dynamo.update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": region}}])
        return name

    def deny(self, bucket: str, *spared: str) -> None:
        """Deny every write to it, but those of some roles."""
        statement: dict[str, Any] = {"Sid": "no", "Effect": "Deny", "Principal": "*"}
        statement |= {"Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}
        if spared:
            statement["Condition"] = {"ArnNotLike": {"aws:PrincipalArn": list(spared)}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client("s3").put_bucket_policy(Bucket=bucket, Policy=document)

    def document(self, sort: str, region: str = EAST, fails: bool = False) -> str:
        """A document of Systems Manager, of the type `Command` or `Automation`; one that fails exits with 1."""
        name = self.name()
        self.client("ssm", region).create_document(
            Name=name, DocumentType=sort, DocumentFormat="JSON", Content=script(sort, "exit 1" if fails else "true")
        )
        return name

    def function(self, region: str = EAST, description: str = "") -> str:
        """A function of Lambda."""
        name, code = self.name(), io.BytesIO()
        policy = {"Version": "2012-10-17", "Statement": []}
        role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy))["Role"]
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "def run(event, context): return None")
        self.client("lambda", region).create_function(
            FunctionName=name, Runtime="python3.11", Role=role["Arn"], Handler="app.run", Timeout=30,
            Description=description, Code={"ZipFile": code.getvalue()},
        )  # fmt: skip
        return name

    def stack(self, region: str = WEST, template: dict[str, Any] | None = None) -> str:
        """A stack; a queue whose `Seconds` is 30, unless another template is given."""
        name = self.name()
        body = json.dumps(template or queue_template())
        self.client("cloudformation", region).create_stack(StackName=name, TemplateBody=body)
        return name

    def stuck(self, region: str = WEST) -> str:
        """A stack whose rollback has failed."""
        name, stacks = self.stack(region), self.client("cloudformation", region)
        names = {"StackName": name, "ChangeSetName": self.name()}
        body = json.dumps(queue_template(Metadata={"awssim": "stuck"}))
        stacks.create_change_set(**names, ChangeSetType="UPDATE", TemplateBody=body, Parameters=seconds(60))
        stacks.execute_change_set(**names)
        return name

    def lines(self, operation: str, after: int = 0) -> list[Entry]:
        """What the ledger says of an operation."""
        return [line for line in self.sim.control.ledger(after) if line.operation == operation]

    def outcomes(self, operation: str, after: int = 0) -> list[Outcome]:
        """What became of each call of an operation."""
        return [line.outcome for line in self.lines(operation, after)]

    def mark(self) -> int:
        """The ledger's last line."""
        return len(self.sim.control.ledger())


def script(sort: str, line: str) -> str:
    """The content of a document that runs a line."""
    step = {"name": "run", "action": "aws:runShellScript", "inputs": {"runCommand": [line]}}
    return json.dumps(
        {"schemaVersion": "2.2" if sort == "Command" else "0.3", "description": line, "mainSteps": [step]}
    )


def seconds(value: int) -> list[dict[str, str]]:
    """As the parameters of a stack."""
    return [{"ParameterKey": "Seconds", "ParameterValue": str(value)}]


def queue_template(**queue: Any) -> dict[str, Any]:
    """A stack of one queue, whose parameter `Seconds` can be changed in place."""
    timeout = {"VisibilityTimeout": {"Ref": "Seconds"}}
    return {
        "Parameters": {"Seconds": {"Type": "String", "Default": "30"}},
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": timeout, **queue}},
        "Outputs": {"Timeout": {"Value": {"Ref": "Seconds"}}},
    }


def record(action: str, name: str, *values: str, **more: Any) -> dict[str, Any]:
    """One change of an A record."""
    values_of = [{"Value": value} for value in values]
    return {
        "Action": action,
        "ResourceRecordSet": {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": values_of, **more},
    }
