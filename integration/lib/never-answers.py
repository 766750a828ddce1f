# A file system of a user's that takes every question and answers none but those about its own root: who waits for it cannot even be killed.
#
#   never-answers.py DIRECTORY UID
#
# As root, in place of a fusermount that /etc/fuse.conf allows `allow_other`.

import ctypes
import os
import struct
import sys

ATTRIBUTES, START = 3, 26
HEADER = struct.calcsize('<IIQQIIII')

directory, user = sys.argv[1], int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
device = os.open('/dev/fuse', os.O_RDWR)
options = f'fd={device},rootmode=40000,user_id={user},group_id={user},allow_other'
if libc.mount(b'never-answers', directory.encode(), b'fuse.never-answers', 0, options.encode()):
    sys.exit(os.strerror(ctypes.get_errno()))
print('ready', flush=True)


def answer(number, body):
    os.write(device, struct.pack('<IiQ', 16 + len(body), 0, number) + body)


while True:
    try:
        request = os.read(device, (1 << 20) + 65_536)
    except OSError:
        break
    _, what, number, node = struct.unpack_from('<IIQQ', request)
    if what == START:
        major, minor, ahead, _ = struct.unpack_from('<IIII', request, HEADER)
        answer(number, struct.pack('<IIIIHHIIHHI7I', major, min(minor, 31), ahead, 0, 12, 9, 1 << 20, 1, 1, 0, 0, *[0] * 7))
    elif what == ATTRIBUTES and node == 1:
        attributes = struct.pack('<6Q10I', 1, *[0] * 8, 0o40755, 2, user, user, 0, 4_096, 0)
        answer(number, struct.pack('<QII', 0, 0, 0) + attributes)
