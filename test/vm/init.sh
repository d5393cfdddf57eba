#!/bin/bash
# The first process of the machine: a host with cgroup v2 alone and no service manager, then the test.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup; mount --make-rshared /
mkdir -p /sys/fs/cgroup/init; echo $$ > /sys/fs/cgroup/init/cgroup.procs
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$c > /sys/fs/cgroup/cgroup.subtree_control; done
ip link set lo up
for m in $(cat /modules); do modprobe $m || echo "no module $m"; done
echo "kernel $(uname -r), controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
. /lib.sh
start_engine
. /test.sh
tail -5 /run/log
echo "$passed passed, $failed failed"
sync; echo o > /proc/sysrq-trigger; sleep 10
