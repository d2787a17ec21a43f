#!/bin/bash
# The first process of an engine host, in namespaces of its own (see engine-host.ts).
# usage: power-on.sh <folder of the host>
set -eu

scratch=$1/scratch
mount -t proc proc /proc
# The machine's own sockets and pid files are not the host's.
mount -t tmpfs -o mode=755 tmpfs /run
# What dockerd writes to /etc, its identity among it, belongs to this host and goes with it.
mkdir -p "$scratch"
mount -t tmpfs -o mode=755 tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/upper,workdir=$scratch/work" overlay /etc
ip link set lo up
echo ready

# Reaps what the engine leaves behind. Standard input closes when the test process is gone, killed
# or not: then this ends, and the kernel ends every process of the host with it.
while read -r _; do :; done
