#!/usr/bin/env python3
"""Does what a document shows still happen?

    walk.py check FILE NAME     runs the commands of the walk NAME in FILE and compares what they print with what FILE shows
    walk.py write FILE NAME     runs them and puts what they print into FILE

A walk stands between the lines `<!-- walk: NAME -->` and `<!-- /walk -->`. In its code blocks a command begins with "$ " and goes on while its lines end
with a backslash; what follows, up to the next command, is what it prints. One shell runs all of them, in the directory in which walk.py is called. What
must differ from run to run (digests, times, keys, IDs) is put alike before the comparison. Blocks without a command are left alone.
"""

import difflib
import re
import subprocess
import sys

# What Docker 20.10 prints or does not, as its two connections end one before the other.
BY_CHANCE = re.compile(r'^time="[^"]*" level=error msg="error waiting for container: context canceled"\n', re.MULTILINE)

VARIES = [
    (r"sha256:[0-9a-f]{64}", "sha256:<digest>"),
    (r"\b[0-9a-f]{64}\b", "<id>"),
    (r"\b[0-9a-f]{12}\b", "<short id>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
    (r"\b\d{4}-\d\d-\d\d\b", "<date>"),
    (r"\d+ (second|minute)s? ago", "<ago>"),
    (r"[A-Za-z0-9+/]{40,}={0,2}", "<base 64>"),
    (r"SHA256:\S+", "<fingerprint>"),
    (r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "<run>"),
    (r"\b\d+\.\d+s\b", "<seconds>"),
    # Containers come in the order of their IDs.
    (r"\bdb-\d\b", "db-<number>"),
    (r" +", " "),
]


def alike(text):
    """The text without what must differ from run to run."""
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text)
    return text


def span(text, name):
    """Where the walk begins and ends in the text."""
    begin = text.index(f"<!-- walk: {name} -->")
    return begin, text.index("<!-- /walk -->", begin)


def parts(walk):
    """The walk as a list of texts and of commands: a command is a pair of what is typed and what is printed."""
    found, text, in_block = [], [], False
    lines = walk.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("```"):
            in_block = not in_block
        if not (in_block and line.startswith("$ ")):
            text.append(line)
            continue
        typed = [line]
        while typed[-1].rstrip("\n").endswith("\\"):
            typed.append(lines[at])
            at += 1
        printed = []
        while not lines[at].startswith(("$ ", "```")):
            printed.append(lines[at])
            at += 1
        found += ["".join(text), ("".join(typed), "".join(printed))]
        text = []
    return found + ["".join(text)]


def run(commands):
    """What each command prints, on either stream, run in one shell."""
    mark = "\x01next\x01"
    script = "".join(f"printf '{mark}'\n{typed[2:]}" for typed in commands)
    done = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    printed = BY_CHANCE.sub("", done.stdout).split(mark)[1:]
    if len(printed) != len(commands):
        sys.exit(f"walk.py: {len(printed)} of {len(commands)} commands ran; the last words: {done.stdout[-2000:]}")
    return printed


def main():
    action, path, name = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    begin, end = span(text, name)
    walk = parts(text[begin:end])
    shown = [part for part in walk if isinstance(part, tuple)]
    printed = iter(run([typed for typed, _ in shown]))
    if action == "write":
        made = "".join(part if isinstance(part, str) else part[0] + next(printed) for part in walk)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text[:begin] + made + text[end:])
        return
    differences = []
    for (typed, said), says in zip(shown, printed):
        if alike(said) != alike(says):
            lines = difflib.unified_diff(said.splitlines(), says.splitlines(), "as shown", "as printed", lineterm="", n=1)
            differences.append(typed + "\n".join(lines))
    if differences:
        sys.exit("\n\n".join(differences))


main()
