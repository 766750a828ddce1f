#!/usr/bin/env python3
"""Writes an OCI layout with images of many tiny layers on one root file system.

  layers.py LAYOUT ROOT COUNT...
  layers.py --large FILE ROOT labels|history
  layers.py --archive FILE NAME COUNT ROOT...

LAYOUT gets an image with the tag COUNT for each COUNT. The lowest layer of all of them is the directory ROOT, and each other layer is one file,
so that an image of few layers is the base of one of many, and they share what they have in common. FILE becomes an archive as `docker save` writes it,
of the image large:1, whose one layer is ROOT and whose config has 20 MiB, most of them in a label or in the history; or of an image NAME:1 of COUNT
such layers on ROOT for each three words. One called pause sleeps, as a pod's pause container must.
"""
import hashlib
import io
import json
import os
import sys
import tarfile


def main(layout, root, counts):
    blobs = os.path.join(layout, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)
    layers = [blob(blobs, archive_of(root))]
    layers += [blob(blobs, one_file(number)) for number in range(2, max(counts) + 1)]
    index = [{**image(blobs, layers[:count]), "annotations": {"org.opencontainers.image.ref.name": str(count)}} for count in counts]
    write(os.path.join(layout, "oci-layout"), {"imageLayoutVersion": "1.0.0"})
    write(os.path.join(layout, "index.json"), {"schemaVersion": 2, "manifests": index})


def large(path, root, where):
    layer = archive_of(root)
    config = config_of([hashlib.sha256(layer).hexdigest()])
    if where == "labels":
        config["config"]["Labels"] = {"large": "x" * (20 << 20)}
    else:
        config["history"] = [{"created_by": "x" * (20 << 20)}]
    archive_file(path, [("large", config, [layer])])


def several(path, images):
    made = []
    for name, count, root in images:
        layers = [archive_of(root)] + [one_file(number) for number in range(2, int(count) + 1)]
        config = config_of([hashlib.sha256(layer).hexdigest() for layer in layers])
        config["config"]["Cmd"] = ["sleep", "100000"] if name == "pause" else ["echo", f"{name} runs"]
        made.append((name, config, layers))
    archive_file(path, made)


def archive_file(path, images):
    members = {}
    manifest = []
    for name, config, layers in images:
        config = json.dumps(config).encode()
        config_name = hashlib.sha256(config).hexdigest() + ".json"
        members[config_name] = config
        names = [hashlib.sha256(layer).hexdigest() + "/layer.tar" for layer in layers]
        members.update(zip(names, layers))
        manifest.append({"Config": config_name, "RepoTags": [name + ":1"], "Layers": names})
    members["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member, content in members.items():
            facts = tarfile.TarInfo(member)
            facts.size = len(content)
            archive.addfile(facts, io.BytesIO(content))


def archive_of(root):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(root, arcname=".")
    return file.getvalue()


def one_file(number):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo(f"layer-{number}")
        archive.addfile(member)
    return file.getvalue()


def image(blobs, layers):
    config = config_of([layer["digest"].split(":")[1] for layer in layers])
    media = "application/vnd.oci.image."
    manifest = {
        "schemaVersion": 2,
        "mediaType": media + "manifest.v1+json",
        "config": {"mediaType": media + "config.v1+json", **blob(blobs, json.dumps(config).encode())},
        "layers": [{"mediaType": media + "layer.v1.tar", **layer} for layer in layers],
    }
    return {"mediaType": media + "manifest.v1+json", **blob(blobs, json.dumps(manifest).encode())}


def config_of(layers):
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["echo", f"{len(layers)} layers run"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layer for layer in layers]},
    }


def blob(blobs, content):
    digest = hashlib.sha256(content).hexdigest()
    with open(os.path.join(blobs, digest), "wb") as file:
        file.write(content)
    return {"digest": "sha256:" + digest, "size": len(content)}


def write(path, document):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)


if __name__ == "__main__":
    if sys.argv[1] == "--large":
        large(*sys.argv[2:])
    elif sys.argv[1] == "--archive":
        words = sys.argv[3:]
        several(sys.argv[2], zip(words[0::3], words[1::3], words[2::3]))
    else:
        main(sys.argv[1], sys.argv[2], [int(count) for count in sys.argv[3:]])
