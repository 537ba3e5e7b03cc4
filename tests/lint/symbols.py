#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pure libraries need no clock, socket, file, lock, thread, random device or TLS from outside (by `nm -uC`)."""
import pathlib
import re
import shutil
import subprocess

import layers
import tree

C_NAMES = """
clock_gettime clock_nanosleep time gettimeofday nanosleep usleep sleep localtime localtime_r gmtime gmtime_r timerfd_.*
socket socketpair bind listen accept accept4 connect send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg
setsockopt getsockopt getsockname getpeername shutdown getaddrinfo freeaddrinfo gethostbyname.* getifaddrs if_nametoindex
poll ppoll select pselect epoll_.* eventfd signalfd ioctl fcntl
open open64 openat fopen fopen64 fread fwrite fputs fputc puts putchar printf vprintf fprintf vfprintf perror read write
close pread pwrite unlink rename stat lstat fstat syslog
pthread_.* sem_.* mtx_.* cnd_.* thrd_.* fork vfork execve system signal sigaction raise kill
random srandom rand rand_r srand drand48 getrandom getentropy getenv secure_getenv setenv
RAND_.* SSL_.* TLS_.* DTLS_.* BIO_.*
""".split()
CPP_NAMES = [
    r"std::chrono::.*::now\(\)", r"std::random_device::.*", r"std::thread::.*", r"std::this_thread::.*", r"std::mutex::.*",
    r"std::condition_variable.*", r"std::__atomic_futex.*", r"std::(__basic_file|basic_[io]?fstream|basic_filebuf).*",
    r"std::(cout|cerr|clog|cin|wcout|wcerr)", r"std::ios_base::Init::.*", r"std::filesystem::.*", r"boost::asio::.*",
    r"boost::beast::.*",
]
FORBIDDEN = re.compile(rf"(?:__)?(?:{'|'.join(C_NAMES)})(?:_chk)?(?:@.*)?|(?:{'|'.join(CPP_NAMES)})")


def undefined(archive, nm):
    """Yields (object, symbol) of what an archive's objects need from outside of themselves."""
    output = subprocess.run([nm, "-u", "-C", str(archive)], capture_output=True, text=True, check=True).stdout
    member = archive.name
    for line in output.splitlines():
        if line.endswith(":"):
            member = line[:-1]
            continue
        match = re.match(r"\s*[UwvV]\s+(.*)", line)
        if match:
            yield member, match.group(1)


def main():
    def add(parser):
        parser.add_argument("build", type=pathlib.Path, help="a build folder without link-time optimisation")
    options = tree.arguments(__doc__, add)
    nm = shutil.which("nm") or tree.skip("symbols", "no nm here")
    problems, symbols, archives = [], 0, []
    for layer in layers.PURE:
        found = sorted(options.build.rglob(f"libts_{layer}.a"))
        archives += found
        if not found and any((options.root / "src" / layer).glob("**/*.cpp")):
            problems.append(f"libts_{layer}.a is not built in {options.build.name}, although src/{layer} has bodies")
        for archive in found:
            count = 0
            for member, symbol in undefined(archive, nm):
                count += 1
                if FORBIDDEN.fullmatch(symbol):
                    problems.append(f"{archive.name}({member}): {symbol}")
            if count == 0:
                problems.append(f"{archive.name}: no symbols; is it built with link-time optimisation?")
            symbols += count
    if not archives:
        tree.skip("symbols", f"no pure library is built in {options.build.name}")
    tree.finish("symbols", problems, f"{symbols} needed symbols in {len(archives)} libraries")


if __name__ == "__main__":
    main()
