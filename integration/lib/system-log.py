"""Hears what programs send to the system log of a room and writes one record a line to a file.

Listens on /dev/log (syslog(3)) and on /run/systemd/journal/socket (journald's native protocol), the two places a log event can go to.
A journald event with fields is written as FIELD=value pairs separated by a blank; line breaks inside a record become blanks.
"""

import os
import select
import socket
import sys


def listen(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    os.chmod(path, 0o666)
    return receiver


def main():
    receivers = [listen("/run/systemd/journal/socket"), listen("/dev/log")]
    with open(sys.argv[1], "a", encoding="utf-8") as out:
        while True:
            for receiver in select.select(receivers, [], [])[0]:
                record = receiver.recv(1 << 18).decode("utf-8", "replace")
                out.write(record.strip("\n\0").replace("\n", " ") + "\n")
                out.flush()


main()
