"""`infra/aws/roles.yaml`: the five roles with their policies, as a template for CloudFormation."""

import json
from collections.abc import Mapping
from typing import Any

from activities.providers.aws.duties import Duty

HEAD = """\
# Written by `python -m infra.aws.policies`: what the policies allow is what the code calls.
AWSTemplateFormatVersion: "2010-09-09"
Description: >-
  Five roles for Seawall, each for one duty and with no right beyond it. Once an account: roles belong to no region.

Parameters:
  Worker:
    Type: String
    Description: The ARN of the identity that the workers have, which takes these roles on.
    AllowedPattern: ^arn:aws[a-z-]*:iam::\\d{12}:(role|user)/.+$
  ExternalId:
    Type: String
    Description: >-
      The runbook's `external_id`: a word that nobody else's configuration has, so that a worker of others cannot be
      talked into using these roles.
    MinLength: 8

Resources:
"""
ROLE = """\
  {name}:
    Type: AWS::IAM::Role
    Properties:
      RoleName: seawall-{duty}
      Description: {words}
      MaxSessionDuration: 3600
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {{AWS: !Ref Worker}}
            Action: sts:AssumeRole
            Condition: {{StringEquals: {{"sts:ExternalId": !Ref ExternalId}}}}
      Policies:
        - PolicyName: seawall-{duty}
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
{statements}
"""
WORDS: Mapping[Duty, str] = {
    Duty.OBSERVE: "Looks, and changes nothing",
    Duty.REPLICATE: "Copies and makes replicas",
    Duty.FAILOVER: "Moves what is tagged as an application's, and deletes nothing",
    Duty.DRILL: "Makes clones in a bubble and acts on those alone",
    Duty.CLEAN_UP: "Removes what runs have made, and nothing else",
}


def template(policies: Mapping[Duty, Mapping[str, Any]]) -> str:
    """The template. JSON is YAML, so that a statement is a line of it."""
    roles = (
        ROLE.format(
            name=_name(duty),
            duty=duty.value,
            words=WORDS[duty],
            statements="\n".join(f"              - {json.dumps(one)}" for one in policy["Statement"]),
        )
        for duty, policy in policies.items()
    )
    outputs = (f"  {_name(duty)}: {{Value: !GetAtt {_name(duty)}.Arn}}\n" for duty in policies)
    return f"{HEAD}{''.join(roles)}\nOutputs:\n{''.join(outputs)}"


def _name(duty: Duty) -> str:
    return "".join(word.capitalize() for word in duty.value.split("-"))
