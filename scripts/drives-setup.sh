#!/bin/sh
# What tests/media/drives.test.ts needs to emulate a computer with USB sticks and a CD-ROM drive, on Debian:
#
#   qemu-system-x86    the computer
#   linux-image-amd64  its kernel and modules; the kernel that runs here stays
#   busybox-static     its first programs
#   xorriso            makes the CD-ROM
#   dosfstools         formats the sticks
#   xz-utils           unpacks the kernel
set -e
apt-get update -qq
apt-get install -y --no-install-recommends qemu-system-x86 linux-image-amd64 busybox-static xorriso dosfstools xz-utils
