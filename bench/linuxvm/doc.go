// Package linuxvm makes the Linux machine that Skerry is compared with: Debian's
// cloud kernel, and an initramfs with a small static init, the virtio modules
// and one program. It runs on the host, needs no privileges, and is used by
// bench and by test.
//
// It imports the standard library only. The kernel's package is fetched with
// apt-get once and kept under the user's cache folder; nothing of it is part of
// the repository.
package linuxvm
