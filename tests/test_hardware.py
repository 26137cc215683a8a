from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch

from ganita import hardware
from ganita.errors import GanitaError


def test_describe_is_json_and_complete() -> None:
    found = hardware.describe()
    assert json.loads(json.dumps(found)) == found
    assert found["cores"] >= 1
    assert found["memory_bytes"] > 1 << 28
    assert found["torch"] == torch.__version__
    assert found["cpu"]


def test_cores_obey_the_affinity() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity here")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert hardware.num_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_without_affinity_the_cpu_count_serves(monkeypatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert hardware.num_cores() == 1


@pytest.mark.parametrize(
    ("files", "memory", "cores"),
    [
        ({"memory.max": "1000000000", "cpu.max": "150000 100000"}, 1_000_000_000, 1.5),
        ({"memory.max": "max", "cpu.max": "max 100000"}, None, float("inf")),
        (
            {"memory.limit_in_bytes": "2000000000", "cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"},
            2_000_000_000,
            0.5,
        ),
        ({"memory.limit_in_bytes": "9223372036854771712", "cpu.cfs_quota_us": "-1"}, None, float("inf")),
        ({}, None, float("inf")),
    ],
)
def test_cgroup_limits_of_both_versions(monkeypatch, tmp_path: Path, files, memory, cores) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(hardware, "_cgroup_folders", lambda _: [tmp_path / "gone", tmp_path])
    monkeypatch.setattr(hardware, "_physical_memory_bytes", lambda: 1 << 40)
    assert hardware.memory_limit_bytes() == (memory or 1 << 40)
    assert hardware._cpu_quota() == cores


def test_a_limit_of_any_ancestor_group_counts(tmp_path: Path) -> None:
    proc = tmp_path / "cgroup"
    proc.write_text("4:memory:/a/b\n3:cpu,cpuacct:/c\n0::/d/e\n")
    folders = hardware._cgroup_folders("memory", proc)
    root = Path("/sys/fs/cgroup")
    v1 = [root / "memory/a/b", root / "memory/a", root / "memory"]
    assert folders == [*v1, root / "d/e", root / "d", root]
    assert hardware._cgroup_folders("memory", tmp_path / "missing") == []


def test_compiler_by_environment_or_path(monkeypatch, tmp_path: Path) -> None:
    include = tmp_path / "include"
    include.mkdir()
    (include / "Python.h").touch()
    monkeypatch.setattr(hardware.sysconfig, "get_paths", lambda: {"include": str(include)})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert hardware.find_compiler() is None
    tool = tmp_path / "clang++"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert hardware.find_compiler() == str(tool)
    (include / "Python.h").unlink()
    assert hardware.find_compiler() is None


def test_a_read_only_home_moves_the_compile_cache(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hardware, "find_compiler", lambda: "/usr/bin/c++")
    monkeypatch.setattr(hardware.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(hardware.os, "access", lambda *_: False)
    monkeypatch.setenv("CXX", "c++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "kept")
    assert hardware.prepare_compiler() == "/usr/bin/c++"
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "kept"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    hardware.prepare_compiler()
    folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)  # somebody else could have put code there
    assert hardware._private_cache() != str(folder)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")


def test_devices(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert hardware.pick_device("auto") == torch.device("cpu")
    with pytest.raises(GanitaError, match="no CUDA GPU"):
        hardware.pick_device("cuda:1")


def test_bfloat16_by_cpu_flags(monkeypatch) -> None:
    monkeypatch.setattr(hardware, "_cpu_flags", lambda: frozenset({"avx2"}))
    assert not hardware.gains_from_bfloat16("cpu")
    monkeypatch.setattr(hardware, "_cpu_flags", lambda: frozenset({"avx512_bf16"}))
    assert hardware.gains_from_bfloat16("cpu")


def test_energy_given_and_estimated(tmp_path: Path) -> None:
    given = hardware.PowerMeter("cpu", watts=100.0)
    time.sleep(0.05)
    assert 4 < given.joules() < 50
    assert given.source == "given: 100 W"
    estimate = hardware.PowerMeter("cpu", powercap=tmp_path)
    assert estimate.source.startswith(f"estimated: {hardware.ESTIMATED_WATTS_PER_CORE:g} W per core")


def test_energy_by_rapl_sums_packages_and_survives_a_wrap(tmp_path: Path) -> None:
    for name, start in (("intel-rapl:0", 900), ("intel-rapl:1", 100), ("intel-rapl:0:0", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "max_energy_range_uj").write_text("1000\n")
        (tmp_path / name / "energy_uj").write_text(f"{start}\n")
    meter = hardware.PowerMeter("cpu", powercap=tmp_path)
    assert meter.source == "measured by RAPL (CPU packages)"
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("50\n")  # wrapped round: 150 more
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("130\n")
    assert meter.joules() == pytest.approx(180e-6)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert meter.joules() == pytest.approx(180e-6)


def test_a_gpu_without_nvml_is_estimated(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(hardware.importlib.util, "find_spec", lambda _: None)
    assert "estimated" in hardware.PowerMeter("cuda").source


def test_peak_memory_grows_with_use() -> None:
    before = hardware.peak_memory_bytes()
    block = bytearray(before + (64 << 20))
    block[::4096] = b"x" * len(block[::4096])
    assert hardware.peak_memory_bytes() > before
