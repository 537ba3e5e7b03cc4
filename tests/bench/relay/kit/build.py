# SPDX-License-Identifier: Apache-2.0
"""Where a load generator is, built alone when nobody has built it."""

import glob
import os
import subprocess


def generator(root, name, turnstone):
    """The path of turnload or signload: what the variable of that name says, next to the server, in build/*, or built now. Nothing
    when building it failed."""
    places = [os.environ.get(name.upper(), ""), os.path.join(os.path.dirname(turnstone or ""), name)]
    places += sorted(glob.glob(os.path.join(root, "build", "*", name)))
    found = next((p for p in places if p and os.access(p, os.X_OK)), None)
    if found:
        return os.path.abspath(found)
    folder = os.path.join(root, "build", "bench")
    for command in (["cmake", "-S", root, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DTURNSTONE_TESTS=OFF",
                     "-DTURNSTONE_BENCH=ON"], ["ninja", "-C", folder, name]):
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False).returncode != 0:
            return None
    return os.path.join(folder, name)
