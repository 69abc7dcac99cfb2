"""The resources of the shop in two regions, as its owner would make them: a run of Seawall makes none of these."""

import functools
import json
import secrets
from typing import Any

from infra.awssim.handle import make_register, session

from .config import BALANCER, BUCKET, DATABASE, GROUP, Config

ZONE = "cloud.test"
TTL_SECONDS = 5
ROLE = "arn:aws:iam::123456789012:role/seawall"
"""As which Seawall writes to a bucket that stands by."""
RUNNING = 2
"""Instances while the shop runs at a site."""


def build(url: str, config: Config) -> dict[str, Any]:
    """Make everything; the shop runs at the first site. What the runbook has to know, by the names of its values."""
    found: dict[str, Any] = {}
    (home, first), (other, second) = config.sites.items()
    for name, site in config.sites.items():
        region = _Region(url, site.region)
        found |= {f"{name}_{key}": value for key, value in region.build(RUNNING if name == home else 0).items()}
    _Region(url, first.region).database(found[f"{home}_db_groups"])
    _Region(url, second.region).replica(first.region, found[f"{other}_db_groups"])
    _buckets(url, first.region, second.region)
    found |= _name(url, config, str(found[f"{home}_balancer"]))
    return found


class _Region:
    """Makes things in one region."""

    def __init__(self, url: str, region: str) -> None:
        self.url, self.region = url, region

    def client(self, service: str) -> Any:
        """A client of the region."""
        return client_of(self.url, service, self.region)

    def build(self, desired: int) -> dict[str, Any]:
        """All but the database."""
        network, drill = self._network("10.1"), self._network("10.9", closed=True)
        ec2 = self.client("ec2")
        isolation = self._group(network["vpc"], "isolation")
        database = self._group(network["vpc"], "database")
        rule = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
        members = [{**rule, "UserIdGroupPairs": [{"GroupId": network["group"]}]}]
        ec2.authorize_security_group_ingress(GroupId=database, IpPermissions=members)
        for name, place in (("shop", network), ("drill", drill)):
            self.client("rds").create_db_subnet_group(
                DBSubnetGroupName=name, DBSubnetGroupDescription=name, SubnetIds=place["subnets"]
            )
        make_register(self.client("dynamodb"))
        balancer, target_group = self._balancer(network)
        self._instances(network, target_group, desired)
        bucket = BUCKET.format(region=self.region)
        s3 = self.client("s3")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.region})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return {
            "region": self.region,
            "balancer": balancer,
            "bucket": bucket,
            "role": ROLE,
            "db_groups": [database],
            "isolation_group": isolation,
            "drill_vpc": drill["vpc"],
            "drill_subnets": drill["subnets"],
            "drill_group": drill["group"],
        }

    def database(self, groups: list[str]) -> None:
        """The primary."""
        self.client("rds").create_db_instance(
            DBInstanceIdentifier=DATABASE,
            DBInstanceClass="db.t3.medium",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="app",
            MasterUserPassword=secrets.token_urlsafe(18),
            BackupRetentionPeriod=7,
            DBSubnetGroupName="shop",
            VpcSecurityGroupIds=groups,
        )

    def replica(self, source: str, groups: list[str]) -> None:
        """A replica of the primary in another region."""
        found = client_of(self.url, "rds", source).describe_db_instances(DBInstanceIdentifier=DATABASE)
        self.client("rds").create_db_instance_read_replica(
            DBInstanceIdentifier=DATABASE,
            SourceDBInstanceIdentifier=found["DBInstances"][0]["DBInstanceArn"],
            DBInstanceClass="db.t3.medium",
            DBSubnetGroupName="shop",
            VpcSecurityGroupIds=groups,
        )

    def _network(self, prefix: str, closed: bool = False) -> dict[str, Any]:
        """A VPC with two subnets and a security group; `closed`: one that lets nothing out."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock=f"{prefix}.0.0/16")["Vpc"]["VpcId"]
        zones = [one["ZoneName"] for one in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"{prefix}.{at}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for at, zone in enumerate(zones, 1)
        ]
        group = self._group(vpc, "members")
        if closed:
            everywhere = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
            ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everywhere)
        return {"vpc": vpc, "subnets": subnets, "group": group}

    def _group(self, vpc: str, name: str) -> str:
        made = self.client("ec2").create_security_group(VpcId=vpc, GroupName=name, Description=name)
        return str(made["GroupId"])

    def _balancer(self, network: dict[str, Any]) -> tuple[str, str]:
        elb = self.client("elbv2")
        (made,) = elb.create_load_balancer(Name=BALANCER, Subnets=network["subnets"])["LoadBalancers"]
        (group,) = elb.create_target_group(Name=GROUP, Protocol="HTTP", Port=8080, VpcId=network["vpc"])["TargetGroups"]
        elb.create_listener(
            LoadBalancerArn=made["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}],
        )
        return made["DNSName"], group["TargetGroupArn"]

    def _instances(self, network: dict[str, Any], target_group: str, desired: int) -> None:
        ec2 = self.client("ec2")
        image = ec2.register_image(Name="shop", RootDeviceName="/dev/sda1")["ImageId"]
        ec2.create_launch_template(
            LaunchTemplateName="shop", LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"}
        )
        self.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            LaunchTemplate={"LaunchTemplateName": "shop", "Version": "$Default"},
            MinSize=desired,
            MaxSize=2 * RUNNING,
            DesiredCapacity=desired,
            VPCZoneIdentifier=",".join(network["subnets"]),
            TargetGroupARNs=[target_group],
        )


def _buckets(url: str, home: str, other: str) -> None:
    """Each replicates to the other one, and only Seawall's role may write to the one that stands by."""
    for region, copy in ((home, other), (other, home)):
        rule = {"ID": "receipts", "Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""}}
        rule |= {"Destination": {"Bucket": f"arn:aws:s3:::{BUCKET.format(region=copy)}"}}
        rule |= {"DeleteMarkerReplication": {"Status": "Disabled"}}
        client_of(url, "s3", region).put_bucket_replication(
            Bucket=BUCKET.format(region=region), ReplicationConfiguration={"Role": ROLE, "Rules": [rule]}
        )
    standby = {
        "Sid": "seawall-standby",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"],
        "Resource": f"arn:aws:s3:::{BUCKET.format(region=other)}/*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": [ROLE]}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [standby]})
    client_of(url, "s3", other).put_bucket_policy(Bucket=BUCKET.format(region=other), Policy=policy)


def _name(url: str, config: Config, balancer: str) -> dict[str, Any]:
    dns = client_of(url, "route53", "us-east-1")
    zone = dns.create_hosted_zone(Name=ZONE, CallerReference="shop")["HostedZone"]["Id"].rpartition("/")[2]
    record = {
        "Name": config.public_name,
        "Type": "CNAME",
        "TTL": TTL_SECONDS,
        "ResourceRecords": [{"Value": balancer}],
    }
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    return {"zone": zone, "public_name": config.public_name, "ttl": f"{TTL_SECONDS}s"}


@functools.cache
def client_of(url: str, service: str, region: str) -> Any:
    """A client; kept, since to make one takes longer than to use it."""
    return session().client(service, region_name=region, endpoint_url=url)


def isolate(url: str, region: str, group: str) -> None:
    """Give the database of a region this security group and no other."""
    client_of(url, "rds", region).modify_db_instance(
        DBInstanceIdentifier=DATABASE, VpcSecurityGroupIds=[group], ApplyImmediately=True
    )
