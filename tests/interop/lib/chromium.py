# SPDX-License-Identifier: Apache-2.0
"""Finds Chromium and playwright-core, gives Chromium a CA to trust, and runs browser.mjs."""

import json
import os
import subprocess
import sys

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
# Debian's /usr/bin/chromium is a script around the first one.
BINARIES = ("/usr/lib/chromium/chromium", "/usr/bin/chromium", "/usr/bin/google-chrome")


def binary():
    found = next((b for b in BINARIES if os.access(b, os.X_OK)), None)
    return found or harness.skip("not installed: chromium")


def playwright():
    """The folder that holds playwright-core; installs it into the cache when it is nowhere."""
    cache = os.environ.get("TS_NPM_CACHE") or os.path.expanduser("~/.cache/turnstone-tests/npm")
    for modules in (os.environ.get("NODE_MODULES", ""), os.path.join(cache, "node_modules")):
        if modules and os.path.isdir(os.path.join(modules, "playwright-core")):
            return modules
    os.makedirs(cache, exist_ok=True)
    wanted = "playwright-core"
    try:
        with open(os.path.join(HERE, "..", "..", "lib", "npm", "package.json"), encoding="utf-8") as package:
            wanted += "@" + json.load(package)["dependencies"]["playwright-core"]
    except (OSError, KeyError):
        pass
    install = subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", cache,
                              wanted], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    if install.returncode != 0:
        harness.skip("npm cannot install playwright-core")
    return os.path.join(cache, "node_modules")


def trusting_home(folder):
    """A HOME whose NSS database trusts the test's CA: Chromium's verifier asks it, for pages and for turns: alike."""
    home = os.path.join(folder, "home")
    database = os.path.join(home, ".pki", "nssdb")
    os.makedirs(database)
    for command in (["certutil", "-N", "-d", f"sql:{database}", "--empty-password"],
                    ["certutil", "-A", "-d", f"sql:{database}", "-n", "interop", "-t", "C,,", "-i",
                     os.path.join(folder, "ca.pem")]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return home


def drive(report, options, timeout, script="browser.mjs"):
    """Runs a script of this folder and counts its checks."""
    process = subprocess.Popen(["node", os.path.join(HERE, script), json.dumps(options)], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        text, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.terminate()
        text, _ = process.communicate()
        report.check("the browser is done in time", False, f"after {timeout} s")
    for line in text.splitlines():
        if line.startswith("ok "):
            report.check(line[3:], True)
        elif line.startswith("FAIL "):
            name, _, detail = line[5:].partition(": ")
            report.check(name + ": " + detail.partition(": ")[0], False, detail.partition(": ")[2])
        else:
            report.note(line)
    report.check("the browser driver ends well", process.returncode == 0, f"exit {process.returncode}")
    sys.stdout.flush()
