"""Which VPC a site's drills take place in."""

from pydantic import Field

from activities.providers.aws.ids import SecurityGroupId, SubnetId, VpcId
from activities.providers.aws.settings import AwsSettings, AwsSite


class BubbleSettings(AwsSettings):
    """The VPC of the site whose bubble this is; `sites` says where each site is in AWS."""

    sites: dict[str, AwsSite]
    vpc: VpcId
    subnets: tuple[SubnetId, ...] = Field(min_length=1, max_length=32)
    security_group: SecurityGroupId
    """That of the clones."""
    most: int = Field(ge=1, le=1000)
    """How many things a drill may leave to be removed here. Closing refuses to touch more: it would be a mistake."""
