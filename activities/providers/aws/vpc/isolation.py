"""The ways out of a VPC: all that could carry a packet elsewhere, read from its configuration.

The list follows the VPC user guide, "Connect your VPC to other networks". What the configuration cannot tell is said in
`UNTRIED`: no packet is sent, since nothing runs inside that could send one.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from activities.providers.aws.calls import Aws
from workflows.model.failure import Code, PermanentError

from .settings import BubbleSettings

UNTRIED = "No packet was sent; VPC Lattice, and names that the VPC's resolver asks for outside, were not looked at."
_NEXT_HOPS = (
    *("GatewayId", "NatGatewayId", "EgressOnlyInternetGatewayId", "VpcPeeringConnectionId", "TransitGatewayId"),
    *("InstanceId", "NetworkInterfaceId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn"),
)
_ENDED = ("deleted", "deleting", "rejected", "failed", "expired", "detached")


async def ways_out(aws: Aws, settings: BubbleSettings) -> list[str]:
    """Each way out, in words.

    Raises:
        PermanentError: CONFIGURATION when a subnet or the security group is not of this VPC.
    """
    here = [{"Name": "vpc-id", "Values": [settings.vpc]}]
    subnets = await aws.pages("ec2", "describe_subnets", "Subnets", Filters=here)
    groups = await aws.pages("ec2", "describe_security_groups", "SecurityGroups", Filters=here)
    _insist_on(settings, {one["SubnetId"] for one in subnets} | {one["GroupId"] for one in groups})
    tables = await aws.pages("ec2", "describe_route_tables", "RouteTables", Filters=here)
    (group,) = (one for one in groups if one["GroupId"] == settings.security_group)
    return [
        *(f"the subnet {one['SubnetId']} gives public addresses" for one in subnets if one.get("MapPublicIpOnLaunch")),
        *_routes(tables),
        *_egress(group, {one["CidrBlock"] for one in subnets} | {settings.security_group}),
        *await _gateways(aws, settings.vpc),
        *await _connections(aws, settings.vpc),
    ]


async def _gateways(aws: Aws, vpc: str) -> list[str]:
    here, attached = [{"Name": "vpc-id", "Values": [vpc]}], [{"Name": "attachment.vpc-id", "Values": [vpc]}]
    internet = await aws.pages("ec2", "describe_internet_gateways", "InternetGateways", Filters=attached)
    egress = await aws.pages("ec2", "describe_egress_only_internet_gateways", "EgressOnlyInternetGateways")
    egress = [one for one in egress if any(at["VpcId"] == vpc for at in one.get("Attachments", ()))]
    nat = await aws.pages("ec2", "describe_nat_gateways", "NatGateways", Filters=here)
    private = await aws.read("ec2", "describe_vpn_gateways", Filters=attached)
    return [
        *_named("the internet gateway", "InternetGatewayId", internet),
        *_named("the egress-only internet gateway", "EgressOnlyInternetGatewayId", egress),
        *_named("the NAT gateway", "NatGatewayId", nat),
        *_named("the VPN or Direct Connect gateway", "VpnGatewayId", private["VpnGateways"]),
    ]


async def _connections(aws: Aws, vpc: str) -> list[str]:
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    # Filters join by "and", and the VPC may be on either side: one call for all is less than one for each side.
    found = await aws.pages("ec2", "describe_vpc_peering_connections", "VpcPeeringConnections")
    sides = ("RequesterVpcInfo", "AccepterVpcInfo")
    ours = [one for one in found if vpc in [one.get(side, {}).get("VpcId") for side in sides]]
    peers = [{**one, "State": one["Status"]["Code"]} for one in ours]
    transit = await aws.pages(
        "ec2", "describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments", Filters=here
    )
    endpoints = await aws.pages("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=here)
    return [
        *_named("the peering", "VpcPeeringConnectionId", peers),
        *_named("the attachment to a transit gateway", "TransitGatewayAttachmentId", transit),
        *_named("the endpoint", "VpcEndpointId", endpoints),
    ]


def _named(what: str, key: str, found: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield from (f"{what} {one[key]}" for one in found if str(one.get("State", "")).lower() not in _ENDED)


def _routes(tables: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Every route but the VPC's own. One that is a black hole now would lead out as soon as its target is back."""
    for table in tables:
        for route in table.get("Routes", ()):
            hop = next((route[key] for key in _NEXT_HOPS if route.get(key)), "nowhere that is known")
            if hop != "local":
                where = next((route[key] for key in route if key.startswith("Destination")), "?")
                yield f"the route to {where} by {hop} in {table['RouteTableId']}"


def _egress(group: Mapping[str, Any], within: set[str]) -> Iterator[str]:
    """Each target of the clones' security group that is neither a subnet of the VPC nor the group itself."""
    for rule in group.get("IpPermissionsEgress", ()):
        targets = [
            *(one["CidrIp"] for one in rule.get("IpRanges", ())),
            *(one["CidrIpv6"] for one in rule.get("Ipv6Ranges", ())),
            *(one["PrefixListId"] for one in rule.get("PrefixListIds", ())),
            *(one["GroupId"] for one in rule.get("UserIdGroupPairs", ())),
        ]
        yield from (f"{group['GroupId']} lets out to {one}" for one in targets if one not in within)


def _insist_on(settings: BubbleSettings, stands: set[str]) -> None:
    if missing := sorted({*settings.subnets, settings.security_group} - stands):
        raise PermanentError(
            Code.CONFIGURATION,
            f"{', '.join(missing)} is not in {settings.vpc}, so that what is there was not looked at.",
            "Mend the site's `bubble` in the runbook.",
        )
