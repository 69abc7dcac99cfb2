"""What is written for CloudFormation and Terraform is well formed, and both make the same things."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "infra" / "aws"
TERRAFORM = FOLDER / "terraform"


@pytest.mark.parametrize("name", ["standby.yaml", "roles.yaml"])
def test_a_template_is_valid(name: str) -> None:
    """With the checks that are only informative: one of them compares actions and resources with AWS's reference."""
    pytest.importorskip("cfnlint")
    argv = [str(Path(sys.executable).with_name("cfn-lint")), "-c", "I", "-t", str(FOLDER / name)]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no Terraform on this machine")
def test_terraform_can_read_it() -> None:
    """`terraform validate` would want the provider, from a registry."""
    found = subprocess.run(
        ["terraform", f"-chdir={TERRAFORM}", "fmt", "-check"], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""
    assert found.returncode == 0, found.stderr


def test_both_tell_the_same() -> None:
    template = (FOLDER / "standby.yaml").read_text(encoding="utf-8").partition("\nOutputs:\n")[2]
    told = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in re.findall(r"^  (\w+):", template, re.M)}
    outputs = set(re.findall(r'^output "(\w+)"', (TERRAFORM / "outputs.tf").read_text(encoding="utf-8"), re.M))
    assert told - {"region"} == outputs - {"roles"}
