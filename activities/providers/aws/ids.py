"""The identifiers of AWS, each with a form of its own: a volume's cannot stand where an instance's belongs.

The forms are those of the EC2, RDS, IAM and Route 53 references. In the place of nearly all of them
`output:STACK/KEY` may stand: an output of a stack of CloudFormation in the site's own region, which is read before
anything is done (see `outputs`).
"""

from typing import Annotated

from pydantic import Field

_HEX = r"[0-9a-f]{8}([0-9a-f]{9})?"


OUTPUT = r"^output:[A-Za-z][A-Za-z0-9-]{0,127}/[A-Za-z0-9]{1,255}$"


def _form(pattern: str, words: str, example: str, literal: bool = False) -> object:
    """`literal`: no output may stand in its place, since it is needed to read one, or is a right of its own."""
    return Field(pattern=pattern if literal else f"{pattern}|{OUTPUT}", description=words, examples=[example])


Region = Annotated[str, _form(r"^[a-z]{2}(-[a-z]+)+-[0-9]$", "A region.", "us-west-2", literal=True)]
Zone = Annotated[str, _form(r"^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$", "An availability zone.", "us-west-2a")]
RoleArn = Annotated[
    str,
    _form(
        r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$",
        "A role.",
        "arn:aws:iam::123456789012:role/seawall",
        literal=True,
    ),
]
KeyArn = Annotated[
    str,
    _form(
        r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/[\w/-]+$",
        "A KMS key of the region where it is used.",
        "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
]
InstanceId = Annotated[str, _form(rf"^i-{_HEX}$", "An EC2 instance.", "i-0123456789abcdef0")]
VolumeId = Annotated[str, _form(rf"^vol-{_HEX}$", "An EBS volume.", "vol-0123456789abcdef0")]
SnapshotId = Annotated[str, _form(rf"^snap-{_HEX}$", "An EBS snapshot.", "snap-0123456789abcdef0")]
ImageId = Annotated[str, _form(rf"^ami-{_HEX}$", "An AMI.", "ami-0123456789abcdef0")]
SubnetId = Annotated[str, _form(rf"^subnet-{_HEX}$", "A subnet.", "subnet-0123456789abcdef0")]
VpcId = Annotated[str, _form(rf"^vpc-{_HEX}$", "A VPC.", "vpc-0123456789abcdef0")]
SecurityGroupId = Annotated[str, _form(rf"^sg-{_HEX}$", "A security group.", "sg-0123456789abcdef0")]
SourceServerId = Annotated[
    str, _form(r"^s-[0-9a-zA-Z]{17}$", "A source server of Elastic Disaster Recovery.", "s-0123456789abcdef0")
]
FileSystemId = Annotated[str, _form(r"^fs-[0-9a-f]{8}([0-9a-f]{9})?$", "A file system of EFS.", "fs-0123456789abcdef0")]
LaunchTemplateId = Annotated[str, _form(rf"^lt-{_HEX}$", "A launch template.", "lt-0123456789abcdef0")]
InstanceType = Annotated[str, _form(r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$", "An instance type.", "m7i.large")]
HostedZoneId = Annotated[str, _form(r"^Z[A-Z0-9]{5,31}$", "A hosted zone of Route 53.", "Z0123456789ABCDEFGHIJ")]
DatabaseName = Annotated[
    str,
    _form(r"^[a-z](-?[a-z0-9])*$", "The identifier of an RDS instance or cluster.", "shop-db"),
    Field(max_length=63),
]
TargetGroupArn = Annotated[
    str,
    _form(
        r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:targetgroup/[\w-]+/[0-9a-f]+$",
        "A target group of a load balancer.",
        "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/shop/0123456789abcdef",
    ),
]
RoutingControlArn = Annotated[
    str,
    _form(
        r"^arn:aws[a-z-]*:route53-recovery-control::\d{12}:controlpanel/[0-9a-f]+/routingcontrol/[0-9a-f]+$",
        "A routing control of ARC.",
        "arn:aws:route53-recovery-control::123456789012:controlpanel/0123abcd/routingcontrol/4567abcd",
    ),
]
SafetyRuleArn = Annotated[
    str,
    _form(
        r"^arn:aws[a-z-]*:route53-recovery-control::\d{12}:controlpanel/[0-9a-f]+/safetyrule/[0-9a-f]+$",
        "A safety rule of an ARC control panel.",
        "arn:aws:route53-recovery-control::123456789012:controlpanel/0123abcd/safetyrule/89ababcd",
    ),
]
EndpointGroupArn = Annotated[
    str,
    _form(
        r"^arn:aws[a-z-]*:globalaccelerator::\d{12}:accelerator/[0-9a-f-]+/listener/[0-9a-f]+/endpoint-group/[0-9a-f]+$",
        "An endpoint group of Global Accelerator.",
        "arn:aws:globalaccelerator::123456789012:accelerator/0123abcd/listener/4567abcd/endpoint-group/89abcdef0123",
    ),
]
Bucket = Annotated[str, _form(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "An S3 bucket.", "shop-media-us-west-2")]
DbInstanceClass = Annotated[
    str, _form(r"^db\.[a-z0-9-]+\.[a-z0-9-]+$", "The class of an RDS instance.", "db.m7g.large")
]
DbGroupName = Annotated[
    str,
    _form(r"^[A-Za-z][A-Za-z0-9._ -]{0,254}$", "A subnet group or a parameter group of RDS.", "shop-private"),
]
ClusterName = Annotated[
    str, _form(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$", "A cluster of ECS or EKS, or an ECS service, by name.", "shop")
]
GroupName = Annotated[str, _form(r"^[^\s:/]{1,255}$", "An Auto Scaling group, by name.", "shop-web")]
NodegroupName = Annotated[str, _form(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$", "A node group of EKS.", "shop-workers")]
MappingId = Annotated[
    str,
    _form(
        r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        "An event source mapping of Lambda.",
        "14e0db71-1234-4f4b-8c2d-0123456789ab",
    ),
]
DocumentName = Annotated[
    str,
    _form(
        r"^[a-zA-Z0-9_.:/-]{3,128}$",
        "A document of Systems Manager by its name; one that is shared from another account by its ARN.",
        "shop-start",
    ),
]
ParameterName = Annotated[
    str, _form(r"^[a-zA-Z0-9_./-]{1,1011}$", "A parameter of Parameter Store.", "/shop/web/workers")
]
FunctionName = Annotated[
    str,
    _form(r"^[a-zA-Z0-9_-]{1,64}(:[a-zA-Z0-9_-]{1,128})?$", "A function of Lambda, and its alias.", "shop-warm:live"),
]
StackName = Annotated[
    str, _form(r"^[A-Za-z][A-Za-z0-9-]{0,127}$", "A stack of CloudFormation, by name.", "shop-standby", literal=True)
]
TemplateUrl = Annotated[
    str,
    _form(
        r"^https://[a-z0-9.-]*s3[a-z0-9.-]*/\S+$",
        "A template in S3. With `?versionId=` nobody changes it under the runbook.",
        "https://shop-templates.s3.us-west-2.amazonaws.com/standby.yaml",
    ),
]
