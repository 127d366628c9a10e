#!/bin/sh
# boot.sh ROOT: systemd as the first process in ROOT, in a mount namespace that the caller has made.
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys # this machine's kernel settings are not the guest's
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
mkdir dev/pts dev/shm dev/mqueue dev/hugepages # PrivateDevices= takes all of them over
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
mount --make-rshared / # credentials are mounted by one process and seen by another
exec env -i container=test PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --log-target=journal --show-status=no
