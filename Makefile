# Each target is one line that a person could type. Where a step needs more, it is
# a Go program or a script in scripts/.

.PHONY: run build kernel test test-all bench man deps clean

# A Go server answers from inside its own machine. Builds what it needs.
run: ; ./scripts/run

# bin/skerry, with the kernel in it.
build: kernel ; CGO_ENABLED=0 go build -trimpath -o bin/skerry ./cmd/skerry

# The kernel: an ordinary Go program linked into the upper half of the address space, then made bootable.
kernel: ; ./scripts/kernel ./kernel image/kernelbin/bin/kernel.elf

# Host tests, then real programs in real machines: at most 25 minutes on 2 cores.
test: ; ./scripts/test

# Everything: every machine type, CPU count and long campaign. Writes docs/RESULTS.md.
test-all: ; ./scripts/test --all

# Skerry beside a Linux microVM.
bench: build ; go run ./bench

# The manual pages, into build/man.
man: build ; bin/skerry man build/man

# Rewrites the list of what is linked into the kernel; say in the commit why it changed.
deps: ; ./scripts/deps

clean: ; rm -rf bin build image/kernelbin/bin/kernel.elf
