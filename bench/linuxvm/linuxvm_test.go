package linuxvm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestArchive lets cpio unpack what was packed, or reads the first header where
// there is no cpio.
func TestArchive(t *testing.T) {
	var a archive
	a.add("dir", modeDir, nil, 0, 0)
	a.add("dir/file", modeFile, []byte("content"), 0, 0)
	a.add("empty", modeFile, nil, 0, 0)
	b := a.bytes()
	if len(b)%512 != 0 || !bytes.HasPrefix(b, []byte("070701")) || !bytes.Contains(b, []byte("TRAILER!!!\x00")) {
		t.Fatalf("%d bytes: %.120q", len(b), b)
	}
	// Header 110 bytes, name "dir" with NUL 4: 114, padded to 116; then the file.
	if !bytes.HasPrefix(b[116:], []byte("070701")) {
		t.Errorf("second header: %q", b[110:130])
	}
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio to unpack it with")
	}
	dir := t.TempDir()
	cmd := exec.Command(cpio, "-i", "-d", "--quiet")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(b)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "dir", "file")); err != nil || string(got) != "content" {
		t.Errorf("%q %v", got, err)
	}
}

// TestModules resolves dependencies over made-up modules.
func TestModules(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("modules.builtin", "kernel/drivers/virtio/virtio_ring.ko\n")
	write("virtio.ko", "\x7fELF\x00depends=virtio_ring\x00")
	write("virtio_mmio.ko", "\x00depends=virtio,virtio_ring\x00")
	write("failover.ko", "\x00depends=\x00")
	write("net-failover.ko", "\x00depends=failover\x00")
	write("virtio_net.ko", "\x00depends=virtio,net_failover\x00")
	k := &Kernel{Version: "test", modules: dir}
	list, err := modulesFor(k, &Config{Network: true, Exec: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range list {
		names = append(names, moduleName(p))
	}
	if want := []string{"virtio", "virtio_mmio", "failover", "net_failover", "virtio_net"}; !slices.Equal(names, want) {
		t.Errorf("%q, expected %q", names, want)
	}
	if _, err := modulesFor(k, &Config{Machine: Q35}); err == nil || !strings.Contains(err.Error(), "virtio_pci") {
		t.Errorf("a missing module: %v", err)
	}
	write("virtio_mmio.ko", "no such string")
	if _, err := modulesFor(k, &Config{Exec: true}); err == nil {
		t.Error("a module without its dependencies was accepted")
	}
}
