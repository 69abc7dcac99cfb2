"""IAM policies, made of the calls that the code makes.

Invariant: a policy allows what the verbs of its duty call, each action by its name, and nothing more. What it may act
on is told by tags where AWS has conditions on tags for it: a run changes what carries `seawall:application`, a drill
what carries `seawall:bubble`, and clean-up removes what carries `seawall:run`, which only runs put there.

    python -m infra.aws.policies

writes one JSON file for each duty beside this one, and `infra/aws/roles.yaml` with all of them.
"""
