#!/bin/bash
# The first process of a lab machine, in namespaces of its own (see power.ts), until systemd takes over.
# usage: boot.sh <folder of the machine> <host name> <label of its control groups>
#
# Its root is an overlay of this machine's: the same programs, and files of its own. What is this
# machine's alone is hidden. It says "ready", and goes on when it is told that its network cards are connected.
set -eu

dir=$1 name=$2 label=$3
here=$(dirname "$(readlink -f "$0")")
root=$dir/root

lay_root() {
	mkdir -p "$dir/disk/upper" "$dir/disk/work" "$root"
	mount --make-rprivate /
	mount -t overlay -o "lowerdir=/,upperdir=$dir/disk/upper,workdir=$dir/disk/work" overlay "$root"
}

# Of this machine's folders only those of the distribution are the droplet's, too.
hide_what_is_ours() {
	local path
	for path in "$root"/*; do
		[ -d "$path" ] && [ ! -L "$path" ] || continue
		case ${path#"$root"} in
		/bin | /sbin | /lib* | /usr | /etc | /var | /dev | /proc | /sys | /run | /tmp) ;;
		*) put_own "${path#"$root"}" ;;
		esac
	done
	# The checkout may be anywhere.
	path=${here%/infra/lab/machines}
	[ ! -d "$root$path" ] || put_own "$path"
	# No overlay on an overlay: images and containers need a real folder.
	for path in /var/lib/docker /var/lib/containerd /var/tmp; do put_own "$path"; done
	chmod 1777 "$root/var/tmp"
}

put_own() { # path of a folder that begins empty, and lasts as long as the machine
	mkdir -p "$dir/disk/own$1" "$root$1"
	mount --bind "$dir/disk/own$1" "$root$1"
}

mount_kernel_folders() {
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount -t tmpfs -o mode=755 tmpfs "$root/run"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	# No disks among its devices: they are this machine's.
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	for device in null zero full random urandom tty; do cp -a "/dev/$device" "$root/dev/$device"; done
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	ln -s fd/0 "$root/dev/stdin"
	ln -s fd/1 "$root/dev/stdout"
	ln -s fd/2 "$root/dev/stderr"
}

# Its own control groups, which enter.sh has made, as if they were the only ones.
mount_control_groups() {
	local tree controller
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo 0 >"/sys/fs/cgroup/$label/machine/cgroup.procs"
		mount --bind "/sys/fs/cgroup/$label/machine" "$root/sys/fs/cgroup"
		return
	fi
	mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
	for tree in /sys/fs/cgroup/*/"$label"; do
		controller=$(basename "$(dirname "$tree")")
		mkdir "$root/sys/fs/cgroup/$controller"
		mount --bind "$tree" "$root/sys/fs/cgroup/$controller"
	done
}

# A stock machine: no services and no settings of this one's, and a stand-in for cloud-init.
build() {
	local etc=$root/etc units=$root/etc/systemd/system unit
	rm -rf "$units"/*.wants "$units"/*.requires "$etc"/rc?.d "$etc/getaredis" \
		"$root/usr/local/lib/getaredis" "$root/var/lib/cloud" "$root/var/log/journal"
	rm -f "$units"/getaredis-*
	: >"$etc/fstab"
	: >"$etc/machine-id"
	echo "$name" >"$etc/hostname"
	printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >"$etc/hosts"
	mkdir -p "$etc/cloud" "$units/multi-user.target.wants" "$root/var/lib/cloud"
	: >"$etc/cloud/cloud-init.disabled"
	# Kernel settings and modules are this machine's, its addresses are given, and nobody logs in.
	for unit in systemd-{sysctl,modules-load,udevd,logind,networkd,resolved,binfmt}.service \
		proc-sys-fs-binfmt_misc.automount getty.target docker.service docker.socket containerd.service; do
		ln -sf /dev/null "$units/$unit"
	done
	cp "$here/first-boot.sh" "$root/var/lib/cloud/first-boot.sh"
	cp "$here/first-boot.service" "$units/first-boot.service"
	ln -s ../first-boot.service "$units/multi-user.target.wants/first-boot.service"
	: >"$dir/disk/is-built"
}

lay_root
hide_what_is_ours
mount_kernel_folders
mount_control_groups
[ -e "$dir/disk/is-built" ] || build
hostname "$name"
ip link set lo up

echo ready
read -r _ || exit 1
# Not chroot: in one the kernel makes no user namespaces, which units ask for. And systemd hands units
# their credentials by mounts that have to be seen beyond the namespace they are made in.
cd "$root"
pivot_root . .
umount --lazy .
mount --make-rshared /
cd /
exec env -i container=lxc PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	unshare --cgroup /lib/systemd/systemd --unit=multi-user.target --log-target=journal --show-status=no </dev/null
