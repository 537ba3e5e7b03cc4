# SPDX-License-Identifier: Apache-2.0
"""checksums.py DEVICE: datagrams that leave by it carry a finished checksum, as those from another host do.

What `ethtool -K DEVICE tx off` does. Between namespaces of one host they are otherwise left unfinished.
"""

import array
import fcntl
import socket
import struct
import sys

SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17


def finish(device):
    value = array.array("B", struct.pack("=II", ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP", device.encode(), value.buffer_info()[0]) + bytes(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)


if __name__ == "__main__":
    finish(sys.argv[1])
