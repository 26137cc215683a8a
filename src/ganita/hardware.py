"""What machine this is: device, cores, memory, compiler, power. Never fails where something is missing.

Linux gives the best answers (affinity, cgroup limits, RAPL); elsewhere the standard library's own
answers are used. torch is imported inside the functions that need it, so that a command line that only
prints help stays quick.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import math
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from ganita.errors import GanitaError

# A busy core of a server or desktop CPU with its share of the package: 3 W (EPYC 9755, 500 W / 128 cores)
# to 8 W (desktop, 65 W / 8 cores) by the makers' TDP. Used only where nothing can be measured.
ESTIMATED_WATTS_PER_CORE = 6.0
# Board power of the data sheets' largest form is 250-700 W; used only where NVML cannot be asked.
ESTIMATED_WATTS_PER_GPU = 400.0
_NO_LIMIT = 1 << 60  # cgroup v1 writes "no limit" as a number near 2**63


def num_cores() -> int:
    """Return how many cores this process may keep busy: affinity and cgroup quota considered."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    quota = _cpu_quota()
    return max(1, cores if math.isinf(quota) else min(cores, math.ceil(quota)))


def _cpu_quota() -> float:
    """Return the cores that the cgroup's CPU quota amounts to; infinity without one."""
    quota = math.inf
    for folder in _cgroup_folders("cpu"):
        with contextlib.suppress(OSError, ValueError):
            allowed, period = (folder / "cpu.max").read_text().split()
            quota = min(quota, float(allowed) / float(period))
        with contextlib.suppress(OSError, ValueError):
            microseconds = int((folder / "cpu.cfs_quota_us").read_text())
            if microseconds > 0:
                quota = min(quota, microseconds / int((folder / "cpu.cfs_period_us").read_text()))
    return quota


def _cgroup_folders(controller: str, proc: Path = Path("/proc/self/cgroup")) -> list[Path]:
    """List the cgroup folders (v1 and v2) that bind this process, from its own up to the root.

    A limit may sit on any ancestor, so all of them count. Inside a container the path of
    /proc/self/cgroup may not exist below the mount; the mount's root is then the container's own group.
    """
    folders = []
    with contextlib.suppress(OSError):
        for line in proc.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            mount = Path("/sys/fs/cgroup") / (controller if controllers else "")
            group = mount / path.strip("/")
            folders += [group, *[parent for parent in group.parents if parent == mount or mount in parent.parents]]
    return folders


def memory_limit_bytes() -> int:
    """Return the bytes of memory this process can hope for: the machine's, or its cgroup's limit if lower."""
    limit = _physical_memory_bytes()
    for folder in _cgroup_folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
                value = int((folder / name).read_text())
                limit = min(limit, value) if value < _NO_LIMIT else limit
    return limit


def _physical_memory_bytes() -> int:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 8 << 30  # Windows has no sysconf; a modest guess keeps micro-batches small


def peak_memory_bytes(device: Any = "cpu") -> int:
    """Return the most memory used so far: resident set of the process, or allocated on the GPU."""
    if str(device).startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def pick_device(name: str = "auto") -> Any:
    """Return the `torch.device` for `auto`, `cpu` or `cuda[:n]`; `auto` takes a GPU that works.

    Raises `GanitaError` when a GPU is asked for by name and torch finds none.
    """
    import torch

    with_gpu = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if with_gpu else "cpu")
    if name.startswith("cuda") and not with_gpu:
        raise GanitaError(f"device {name!r}: torch {torch.__version__} finds no CUDA GPU here; set device = 'cpu'")
    return torch.device(name)


def gains_from_bfloat16(device: Any = "cpu") -> bool:
    """Say whether matrix products in bfloat16 are faster than in float32 on `device`.

    CPU: AVX512_BF16 or AMX instructions (4x measured on Zen 5); elsewhere torch emulates, which is slower.
    GPU: tensor cores for bfloat16 since compute capability 8.0 (NVIDIA CUDA programming guide, table of
    arithmetic throughput).
    """
    if str(device).startswith("cuda"):
        import torch

        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = _cpu_flags()
    return "avx512_bf16" in flags or "amx_bf16" in flags


@functools.cache
def _cpu_flags() -> frozenset[str]:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    return frozenset()


def find_compiler() -> str | None:
    """Return the C++ compiler that torch.compile can use, or None.

    `CXX` wins. Python's own headers count as part of the compiler: without them nothing links.
    """
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return None
    for name in (os.environ.get("CXX", ""), "g++", "clang++", "c++"):
        if name and (path := shutil.which(name)):
            return path
    return None


def prepare_compiler() -> str | None:
    """Make torch.compile usable here and return its compiler: name it, and give it a cache it can write.

    With a read-only home the caches of inductor and triton go to a folder of our own under the
    temporary directory.
    """
    compiler = find_compiler()
    if compiler is None:
        return None
    os.environ.setdefault("CXX", compiler)
    home = os.path.expanduser("~")
    if "TORCHINDUCTOR_CACHE_DIR" not in os.environ and not os.access(home, os.W_OK):
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = _private_cache()
    return compiler


def _private_cache() -> str:
    """Return a cache folder under the temporary directory that nobody else can write to."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"ganita-compile-{user}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.stat()
        # Code is loaded from here: a folder that another user made first must not be trusted.
        if owner.st_uid == user and not owner.st_mode & 0o022:
            return str(folder)
    return tempfile.mkdtemp(prefix="ganita-compile-")


def cpu_name() -> str:
    """Return the CPU's own name for itself."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown CPU"


def gpu_names() -> list[str]:
    """Return the names of the GPUs that torch can use."""
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def describe() -> dict[str, Any]:
    """Return what a reader must know of the machine to judge a figure: hardware, system, versions."""
    import torch

    return {
        "cpu": cpu_name(),
        "cores": num_cores(),
        "memory_bytes": memory_limit_bytes(),
        "gpus": gpu_names(),
        "bfloat16": gains_from_bfloat16(pick_device("auto")),
        "compiler": find_compiler(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


class PowerMeter:
    """Energy since construction. `source` says how it is known.

    In this order: `watts` given by the user; for a GPU, NVML's energy counter (the GPU alone, without
    the host); for a CPU, RAPL's package counters where the system lets us read them; else an estimate,
    watts per busy core, which `source` states.
    """

    def __init__(self, device: Any = "cpu", watts: float = 0.0, powercap: Path = Path("/sys/class/powercap")) -> None:
        self._started = time.monotonic()
        self._watts = watts
        self._nvml = _open_nvml(device) if not watts and str(device).startswith("cuda") else None
        self._rapl = [] if watts or str(device).startswith("cuda") else _open_rapl(powercap)
        if watts:
            self.source = f"given: {watts:g} W"
        elif self._nvml is not None:
            self.source = "measured by NVML (GPU only)"
            self._nvml_start = self._nvml()
        elif self._rapl:
            self.source = "measured by RAPL (CPU packages)"
        elif str(device).startswith("cuda"):
            self._watts = ESTIMATED_WATTS_PER_GPU
            self.source = f"estimated: {self._watts:g} W per GPU"
        else:
            cores = num_cores()
            self._watts = ESTIMATED_WATTS_PER_CORE * cores
            self.source = f"estimated: {ESTIMATED_WATTS_PER_CORE:g} W per core, {cores} cores"

    def joules(self) -> float:
        """Return the joules used since construction."""
        if self._nvml is not None:
            return float(self._nvml() - self._nvml_start) / 1e3  # NVML counts millijoules
        if self._rapl:
            return sum(counter.joules() for counter in self._rapl)
        return self._watts * (time.monotonic() - self._started)


def _open_nvml(device: Any) -> Any:
    """Return a function that reads the GPU's energy counter in millijoules, or None."""
    if importlib.util.find_spec("pynvml") is None:
        return None
    import torch

    try:
        pynvml = importlib.import_module("pynvml")
        pynvml.nvmlInit()
        # CUDA and NVML may number the GPUs differently; the UUID is the same in both.
        properties = torch.cuda.get_device_properties(device)
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no driver, an old GPU, a forbidden counter: an estimate serves
        return None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)


def _open_rapl(powercap: Path) -> list[_RaplCounter]:
    """Open the counters of whole packages (`intel-rapl:0`), not of parts (`intel-rapl:0:1`)."""
    counters = []
    with contextlib.suppress(OSError, ValueError):
        for folder in sorted(powercap.glob("intel-rapl:*")):
            if folder.name.count(":") == 1:
                counters.append(_RaplCounter(folder))
    return counters


class _RaplCounter:
    """One `energy_uj` file, in microjoules; it wraps round at `max_energy_range_uj`, every few minutes or hours."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last = int(self._file.read_text())
        self._total = 0

    def joules(self) -> float:
        now = self._last
        with contextlib.suppress(OSError, ValueError):  # a counter that stops answering adds nothing
            now = int(self._file.read_text())
        self._total += now - self._last if now >= self._last else now + self._range - self._last
        self._last = now
        return self._total / 1e6
