# SPDX-License-Identifier: Apache-2.0
"""What the figures were measured on, and how much of the machine others took meanwhile."""

import gzip
import os
import platform
import resource
import subprocess

TICKS = os.sysconf("SC_CLK_TCK")
# Of these packages the report names the versions.
PACKAGES = ("coturn", "golang-github-pion-turn.v2-dev", "golang-go", "erlang-p1-stun", "erlang-base", "liburing2")


def package_versions():
    out = {}
    for name in PACKAGES:
        done = subprocess.run(["dpkg-query", "-W", "-f=${Version} ${db:Status-Status}", name], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False)
        version, _, state = done.stdout.partition(" ")
        if state == "installed":
            out[name] = version
    return out


def kernel_option(name):
    """True or False as the kernel was built; None when it does not say."""
    for path, opener in (("/proc/config.gz", gzip.open), (f"/boot/config-{platform.release()}", open)):
        try:
            with opener(path, "rt", encoding="ascii", errors="replace") as config:
                return any(line.strip() == f"{name}=y" for line in config)
        except OSError:
            continue
    return None


def describe():
    model, virtual = "unknown", False
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        for line in cpuinfo:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            virtual = virtual or (key.strip() == "flags" and "hypervisor" in value.split())
    return {"cpu": model, "cores": os.cpu_count(), "virtual": virtual, "kernel": platform.release(),
            "irq_time_accounting": kernel_option("CONFIG_IRQ_TIME_ACCOUNTING"), "packages": package_versions()}


def busy_seconds():
    """Time that the cores have not been idle, and time of this process's ended children."""
    with open("/proc/stat", encoding="ascii") as stat:
        fields = [int(x) for x in stat.readline().split()[1:]]
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (sum(fields[:8]) - fields[3] - fields[4]) / TICKS, children.ru_utime + children.ru_stime


def memory_kb(pid):
    """(resident of the process, kernel slab of the whole machine, descriptors of the process)."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        slab = next(int(line.split()[1]) for line in meminfo if line.startswith("Slab:"))
    return resident, slab, len(os.listdir(f"/proc/{pid}/fd"))
