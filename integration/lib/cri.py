"""Speaks the container runtime interface (CRI, runtime.v1) to a real socket, as kubelet does.

    cri.py SOCKET pod NAME [KEY=VALUE…]                    make and start a host-network pod with these annotations; prints its ID
    cri.py SOCKET container POD NAME IMAGE [KEY=VALUE…] -- COMMAND…   create a container in it; prints its ID
    cri.py SOCKET start|stop|remove|stop-pod|remove-pod|state ID
    cri.py SOCKET exec ID -- COMMAND…
    cri.py SOCKET pods|containers                          prints the IDs
    cri.py SOCKET version

The messages are encoded by hand (field numbers: cri-api, pkg/apis/runtime/v1/api.proto), because no Debian package carries the generated code.
An error answer goes to stderr as `rpc error: code = … desc = …`, the form in which kubelet puts it into a pod's events; exit status 1.
"""

import sys

import grpc

SERVICE = "/runtime.v1.RuntimeService/"
NODE_NETWORK = 2
STATES = {0: "created", 1: "running", 2: "exited", 3: "unknown"}


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """One field: text and nested messages are length-delimited, whole numbers are varints, dictionaries are maps of text to text."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, dict):
        return b"".join(field(number, field(1, key) + field(2, text)) for key, text in value.items())
    if isinstance(value, list):
        return b"".join(field(number, item) for item in value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def fields(message):
    """The fields of a message, as (number, value) pairs."""
    at = 0

    def read_varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        key = read_varint()
        if key & 7 == 0:
            yield key >> 3, read_varint()
        else:
            length = read_varint()
            yield key >> 3, message[at : at + length]
            at += length


def first(message, number, default=b""):
    return next((value for key, value in fields(message) if key == number), default)


class Runtime:
    def __init__(self, socket):
        self.channel = grpc.insecure_channel("unix://" + socket, options=[("grpc.default_authority", "localhost")])

    def call(self, method, request=b""):
        same = lambda raw: raw
        rpc = self.channel.unary_unary(SERVICE + method, request_serializer=same, response_deserializer=same)
        return rpc(request, timeout=120)


def annotations(words):
    return dict(word.split("=", 1) for word in words)


def pod_config(name, notes):
    metadata = field(1, name) + field(2, "uid-" + name) + field(3, "default")
    security = field(1, field(1, NODE_NETWORK))
    linux = field(1, "/pods") + field(2, security)
    return field(1, metadata) + field(7, notes) + field(8, linux)


def split(words):
    at = words.index("--")
    return words[:at], words[at + 1 :]


def pod(runtime, name, *notes):
    print(first(runtime.call("RunPodSandbox", field(1, pod_config(name, annotations(notes)))), 1).decode())


def container(runtime, sandbox, name, image, *rest):
    notes, command = split(list(rest))
    security = field(2, field(3, field(1, NODE_NETWORK)))
    config = field(1, field(1, name)) + field(2, field(1, image)) + field(3, command) + field(10, annotations(notes)) + field(15, security)
    request = field(1, sandbox) + field(2, config) + field(3, pod_config("pod", {}))
    print(first(runtime.call("CreateContainer", request), 1).decode())


def execute(runtime, target, *rest):
    command = split(list(rest))[1]
    answer = runtime.call("ExecSync", field(1, target) + field(2, command) + field(3, 20))
    sys.stdout.write(first(answer, 1).decode() + first(answer, 2).decode())
    sys.exit(first(answer, 3, 0))


def state(runtime, target):
    status = first(runtime.call("ContainerStatus", field(1, target)), 1)
    print(STATES[first(status, 3, 0)], first(status, 7, 0), first(status, 10).decode(), first(status, 11).decode())


def ids(runtime, method):
    for key, item in fields(runtime.call(method)):
        if key == 1:
            print(first(item, 1).decode())


COMMANDS = {
    "version": lambda runtime: print(first(runtime.call("Version"), 2).decode(), first(runtime.call("Version"), 3).decode()),
    "pod": pod,
    "container": container,
    "start": lambda runtime, target: runtime.call("StartContainer", field(1, target)),
    "stop": lambda runtime, target: runtime.call("StopContainer", field(1, target) + field(2, 1)),
    "remove": lambda runtime, target: runtime.call("RemoveContainer", field(1, target)),
    "stop-pod": lambda runtime, target: runtime.call("StopPodSandbox", field(1, target)),
    "remove-pod": lambda runtime, target: runtime.call("RemovePodSandbox", field(1, target)),
    "state": state,
    "exec": execute,
    "pods": lambda runtime: ids(runtime, "ListPodSandbox"),
    "containers": lambda runtime: ids(runtime, "ListContainers"),
}


def main():
    socket, command, *arguments = sys.argv[1:]
    try:
        COMMANDS[command](Runtime(socket), *arguments)
    except grpc.RpcError as error:
        words = error.code().name.title().replace("_", "")
        sys.exit(f"rpc error: code = {words} desc = {error.details()}")


main()
