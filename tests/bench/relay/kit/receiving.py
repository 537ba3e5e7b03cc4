# SPDX-License-Identifier: Apache-2.0
"""receiving.py DEVICE on|off: whether a veth end gathers what it receives, as `ethtool -K DEVICE gro on` says.

Only then it takes what the other end sends by XDP.
"""

import array
import fcntl
import socket
import struct
import sys

SIOCETHTOOL, ETHTOOL_SGRO = 0x8946, 0x2C


def gather(device, on):
    value = array.array("B", struct.pack("=II", ETHTOOL_SGRO, 1 if on else 0))
    request = struct.pack("16sP", device.encode(), value.buffer_info()[0]) + bytes(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)


if __name__ == "__main__":
    gather(sys.argv[1], sys.argv[2] == "on")
