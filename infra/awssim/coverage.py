"""The table of docs/awssim.md: what is real, what is simulated, what is missing.

    python -m infra.awssim.coverage

writes it between the two marks of the page. The rows of what is patched come from the patches themselves.
"""

from pathlib import Path

from infra.awssim.patches import PATCHES
from infra.awssim.states import MODELS

PAGE = Path(__file__).parents[2] / "docs" / "awssim.md"
START, END = "<!-- table: begin -->", "<!-- table: end -->"

REAL, SIMULATED, MISSING = "real semantics", "simulated", "not covered"
OTHERS = (
    (
        "all",
        "idempotency tokens",
        REAL,
        "One effect for a token; changed parameters are refused in the service's words.",
    ),
    (
        "all",
        "throttling, errors, capacity",
        SIMULATED,
        "By rule only; there are no quotas, and nothing is ever really short.",
    ),
    (
        "ec2",
        "instances, volumes, snapshots, images, networks",
        SIMULATED,
        "Moto; regions, tags, filters, paging, dry runs.",
    ),
    ("ec2", "contents of volumes", MISSING, "A snapshot has a size and no data."),
    ("ec2", "CreateImage of data volumes, SourceVersion of templates", MISSING, "Moto leaves both out."),
    ("autoscaling", "groups and their instances", SIMULATED, "Moto; an instance is InService before it runs."),
    ("elbv2", "balancers and target health", SIMULATED, "Moto; a target is healthy when its instance runs."),
    ("rds", "instances, snapshots, replicas, clusters", SIMULATED, "Moto; there is no database behind them."),
    ("rds", "the zone of a replica", MISSING, "Moto gives it its source's, also in another region."),
    ("rds", "detaching from a global database, write forwarding", MISSING, "A cluster that leaves stays a member."),
    ("route53", "records, zones, health checks", SIMULATED, "Moto; nobody can resolve them, and checks never fail."),
    ("route53", "TestDNSAnswer", MISSING, "Moto has none."),
    ("s3", "buckets, objects, versions, conditions", SIMULATED, "Moto; wrong checksums are accepted."),
    ("s3", "a bucket asked for in the wrong region", MISSING, "Moto answers."),
    ("s3", "replication", MISSING, "Moto keeps the rule and copies nothing."),
    ("dynamodb", "tables, backups, conditional writes", SIMULATED, "Moto."),
    ("dynamodb", "restore to a time", MISSING, "Moto restores what the table holds now."),
    ("ecs, eks", "services, node groups", SIMULATED, "Moto; nothing runs."),
    ("lambda", "event source mappings", SIMULATED, "Moto; on and off at once."),
    ("cloudformation", "creation of stacks", SIMULATED, "Moto."),
    ("cloudformation", "updates of other things than queues", MISSING, "Moto replaces what it should update."),
    ("cloudformation", "nested stacks, imports, template limits, NoEcho", MISSING, "Hidden values are shown."),
    ("ssm", "parameters", SIMULATED, "Moto."),
    ("ssm", "targets, limits and output of commands, nodes that are no instances", MISSING, "Nothing really runs."),
    (
        "secretsmanager, kms",
        "secrets and their replicas, keys",
        SIMULATED,
        "Moto; keys of several regions do not decrypt.",
    ),
    (
        "drs",
        "source servers, recovery instances, jobs, snapshots, reversed replication",
        SIMULATED,
        "A fake of ours, by its documents; moto has none. No byte is replicated, all regions are initialised.",
    ),
    ("drs", "replication and launch settings, recovery plans, networks", MISSING, "Answered with an error 501."),
    ("backup", "all", MISSING, "Such calls are answered with an error 500."),
    ("efs", "file systems, policies", SIMULATED, "Moto; there are no files, and nobody mounts."),
    ("efs", "replication to a file system that it makes, or of another account", MISSING, "It is refused."),
    (
        "arc",
        "states of routing controls at five endpoints, assertion and gating rules, wait periods",
        REAL,
        "All or nothing. A refusal by a rule is `ConflictException`, which AWS's documents leave open.",
    ),
    ("arc", "clusters, control panels, readiness, zonal shift", MISSING, "Answered with an error 501."),
    ("globalaccelerator", "dials of endpoint groups", SIMULATED, "IN_PROGRESS, then DEPLOYED; nobody is routed."),
    ("iam, sts", "roles, accounts", SIMULATED, "Moto; no permission is checked."),
)


def table() -> str:
    """The table, as Markdown."""
    patched = ((one.service, ", ".join(one.operations), REAL, one.does) for one in sorted(PATCHES, key=_order))
    timed = (
        ("", ", ".join(f"`{model}`" for model in MODELS), SIMULATED, "States that take time, when a delay is set."),
    )
    head = ("| service | what | how | more |", "| --- | --- | --- | --- |")
    rows = (f"| {service} | {what} | {how} | {more} |" for service, what, how, more in (*patched, *timed, *OTHERS))
    return "\n".join((*head, *rows))


def _order(patch: object) -> tuple[str, ...]:
    return (getattr(patch, "service", ""), *getattr(patch, "operations", ()))


def main() -> None:
    """Write it into the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(START)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{START}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
