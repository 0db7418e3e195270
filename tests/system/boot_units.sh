#!/bin/bash
# boot_units.sh TREE SCRIPT WORK: boots a systemd of its own, in namespaces of its own, over this machine's files with TREE laid
# over them, and runs SCRIPT there as root. What SCRIPT prints goes to WORK/output. Nothing that happens there is left.
# Status 77: it cannot be done here.
set -euo pipefail
tree=$(realpath "$1")
script=$(realpath "$2")
work=$(realpath "$3")
group=ganger-units-$$

[ "$(id -u)" -eq 0 ] || exit 77
[ -x /lib/systemd/systemd ] || exit 77

# A cgroup for it in every hierarchy, which becomes the root of what it sees.
for procs in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
    [ -e "$procs" ] || continue
    folder=$(dirname "$procs")/$group
    # A hierarchy that does not take us just stays as it is.
    if mkdir "$folder" 2>/dev/null; then
        { echo $$ >"$folder/cgroup.procs"; } 2>/dev/null || true
    fi
done
remove_groups() {
    local folder
    for folder in /sys/fs/cgroup/"$group" /sys/fs/cgroup/*/"$group"; do
        [ -d "$folder" ] || continue
        # We are in it ourselves.
        echo $$ >"$(dirname "$folder")/cgroup.procs" || true
        find "$folder" -depth -type d -exec rmdir {} \; || true
    done
}
trap remove_groups EXIT

boot() {
    set -euo pipefail
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 tmpfs "$work/mount" || exit 77
    mkdir "$work/mount/upper" "$work/mount/work" "$work/mount/root"
    cp -a "$tree/." "$work/mount/upper"
    root=$work/mount/root
    mount -t overlay -o "lowerdir=/,upperdir=$work/mount/upper,workdir=$work/mount/work" overlay "$root" || exit 77

    mount -t proc proc "$root/proc" || exit 77
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -t sysfs sysfs "$root/sys" || exit 77
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" || exit 77
    else
        mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
        mkdir "$root/sys/fs/cgroup/systemd"
        mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd" || exit 77
    fi
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue" "$root/dev/hugepages"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t mqueue mqueue "$root/dev/mqueue"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s /run/systemd/journal/dev-log "$root/dev/log"
    touch "$root/dev/console"
    mount --bind "$work/console" "$root/dev/console"
    touch "$root/run/output"
    mount --bind "$work/output" "$root/run/output"

    cp "$script" "$root/run/script"
    : >"$root/etc/fstab"
    echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
    mkdir -p "$root/run/systemd/system"
    cat >"$root/run/systemd/system/script.service" <<'TEXT'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /run/script
StandardOutput=append:/run/output
StandardError=append:/run/output
ExecStopPost=systemctl --no-block exit
TEXT
    cat >"$root/run/systemd/system/script.target" <<'TEXT'
[Unit]
Requires=basic.target script.service
AllowIsolate=yes
TEXT
    # Nothing of the machine's own is to run here.
    for unit in systemd-timesyncd systemd-udevd systemd-resolved systemd-networkd systemd-logind; do
        ln -s /dev/null "$root/run/systemd/system/$unit.service"
    done
    cd "$root"
    mkdir -p old-root
    pivot_root . old-root
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=script.target --show-status=no --log-target=journal
}
export -f boot
export tree script work

mkdir "$work/mount"
touch "$work/console" "$work/output"
unshare --cgroup --mount --pid --uts --ipc --net true 2>/dev/null || exit 77
unshare --cgroup --mount --pid --uts --ipc --net --fork --kill-child bash -c boot </dev/null
