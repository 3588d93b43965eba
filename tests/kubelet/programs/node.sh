#!/bin/sh
# Inside of a node: the first process of its namespaces (mount, network, process, cgroup), which are all its own.
#
#   node.sh DIR CGROUP_MOUNT...
#
# DIR has containerd.toml, kubelet.yaml, kubelet.conf and images.tar; logs and data go there. Each CGROUP_MOUNT is the
# controllers of a hierarchy of version 1, or `cgroup2`. KUBELET is the kubelet's command line.
set -eu
dir=$1
shift
cd "$dir"

mount -t sysfs sysfs /sys
if [ "$1" = cgroup2 ]; then
  mount -t cgroup2 cgroup /sys/fs/cgroup
  # A cgroup that gives controllers to others may hold no processes itself.
  mkdir /sys/fs/cgroup/init
  for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" > /sys/fs/cgroup/init/cgroup.procs || true; done
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control || true
  done
else
  mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup
  for controllers; do
    folder=/sys/fs/cgroup/${controllers#name=}
    case $controllers in name=*) controllers=none,$controllers ;; esac
    mkdir "$folder"
    mount -t cgroup -o "$controllers" cgroup "$folder"
  done
  # The kubelet and runc look for one controller under its own name.
  for folder in /sys/fs/cgroup/*,*; do
    [ -d "$folder" ] || continue
    for name in $(basename "$folder" | tr , ' '); do ln -s "$folder" "/sys/fs/cgroup/$name"; done
  done
fi
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/containerd /run/lock
mount --make-rshared /
echo 1 > /proc/sys/net/ipv4/ip_forward

containerd --config containerd.toml > containerd.log 2>&1 &
attempts=0
until ctr version > /dev/null 2>&1; do
  attempts=$((attempts + 1))
  if [ "$attempts" -ge 600 ]; then
    echo "containerd does not answer: $(tail -n 3 containerd.log)"
    exit 1
  fi
  sleep 0.1
done
ctr --namespace k8s.io images import images.tar > import.log 2>&1
echo "imported"
$KUBELET > kubelet.log 2>&1 &
# As the first process, it inherits those that lose their parent.
wait
