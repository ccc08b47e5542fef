# What an attacker who has a Python program would do next. Each attempt ends in a line:
# "NAME: done", or "NAME: refused WHY". The argument is a folder for files.
import ctypes, errno, mmap, os, shutil, socket, subprocess, sys

TMP = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)


def attempt(name, f):
    try:
        f()
        print(name + ": done", flush=True)
    except OSError as e:
        print(name + ": refused", errno.errorcode.get(e.errno, e), flush=True)


def check(ok):
    if not ok:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))


def aside(f):
    """Runs f in a process of its own; where there is none to be had, here."""

    def g():
        try:
            pid = os.fork()
        except OSError:
            f()
            return
        if pid == 0:
            try:
                f()
            except BaseException:
                os._exit(1)
            os._exit(0)
        check(os.waitpid(pid, 0)[1] == 0)

    return g


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def spawn():
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def system():
    if os.system("exit 0") != 0:
        raise OSError(errno.EPERM, "")


# mov eax, 42; ret
CODE = b"\xb8\x2a\x00\x00\x00\xc3"


def call(address):
    check(ctypes.CFUNCTYPE(ctypes.c_int)(address)() == 42)


libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def memory(prot, fd=-1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS):
    p = libc.mmap(None, 4096, prot, flags, fd, 0)
    check(p != ctypes.c_void_p(-1).value)
    return p


def written():
    p = memory(mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    ctypes.memmove(p, CODE, len(CODE))
    call(p)


def reprotected():
    p = memory(mmap.PROT_READ | mmap.PROT_WRITE)
    ctypes.memmove(p, CODE, len(CODE))
    check(libc.mprotect(p, 4096, mmap.PROT_READ | mmap.PROT_EXEC) == 0)
    call(p)


def twice():
    fd = os.memfd_create("code")
    os.write(fd, CODE.ljust(4096, b"\x90"))
    call(memory(mmap.PROT_READ | mmap.PROT_EXEC, fd, mmap.MAP_SHARED))


def from_file():
    with open(TMP + "/code", "wb") as f:
        f.write(CODE.ljust(4096, b"\x90"))
    with open(TMP + "/code", "rb") as f:
        call(memory(mmap.PROT_READ | mmap.PROT_EXEC, f.fileno(), mmap.MAP_PRIVATE))


def library():
    """Loads a copy of a library that is in use."""
    with open("/proc/self/maps") as f:
        source = next(w for w in f.read().split() if "/libffi.so" in w)
    shutil.copy(source, TMP + "/copy.so")
    try:
        ctypes.CDLL(TMP + "/copy.so")
    except OSError as e:
        raise OSError(errno.EACCES if "ermission" in str(e) or "failed to map" in str(e) else errno.EIO, str(e))


def stack():
    p = ctypes.create_string_buffer(CODE, 8192)
    at = ctypes.addressof(p) & ~4095
    check(libc.mprotect(at, 4096, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) == 0)
    libc.mprotect(at, 4096, mmap.PROT_READ | mmap.PROT_WRITE)


def text():
    """Writes over code, with what stands there."""
    at = ctypes.cast(libc.getppid, ctypes.c_void_p).value
    fd = os.open("/proc/self/mem", os.O_RDWR)
    check(os.pwrite(fd, ctypes.string_at(at, 8), at) == 8)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def vectors():
    a, b = ctypes.create_string_buffer(b"new", 8), ctypes.create_string_buffer(b"old", 8)
    x, y = Vector(ctypes.addressof(a), 8), Vector(ctypes.addressof(b), 8)
    check(libc.process_vm_writev(os.getpid(), ctypes.byref(x), 1, ctypes.byref(y), 1, 0) == 8 and b.value == b"new")


def traced():
    check(libc.ptrace(0, 0, 0, 0) == 0)


def executed_memfd():
    fd = os.memfd_create("program")
    with open(sys.executable if not os.path.exists("/bin/true") else "/bin/true", "rb") as f:
        os.write(fd, f.read())
    os.execve(fd, ["true"], {})


def someone():
    os.setresuid(1000, 1000, 1000)


def set_ids():
    """The bits are not stored, and nobody is told."""
    path = TMP + "/set-id"
    open(path, "w").close()
    os.chmod(path, 0o6755)
    if os.stat(path).st_mode & 0o6000 == 0:
        raise OSError("without them")


def script():
    path = TMP + "/script"
    with open(path, "w") as f:
        f.write("#!/bin/sh\nexit 0\n")
    os.chmod(path, 0o755)
    subprocess.run([path], check=True)


def mounted():
    # In namespaces of its own, where those are to be had.
    apart = libc.unshare(0x20000) == 0 and libc.mount(None, b"/", None, 0x44000, None) == 0
    if os.path.exists("/bin/sh"):
        check(apart)
    check(libc.mount(b"none", TMP.encode(), b"tmpfs", 0, None) == 0)


def code():
    """The last page of the program's code, which nothing here runs."""
    with open("/proc/self/maps") as f:
        return int(next(l for l in f if "/python3" in l and " r-xp " in l).split()[0].split("-")[1], 16) - 4096


libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.syscall.restype = ctypes.c_long


def over():
    at = code()
    p = libc.mmap(at, 4096, mmap.PROT_READ | mmap.PROT_WRITE, 0x10 | mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    check(p == at)


def system_call(*args):
    """Each is 64 bits."""
    r = libc.syscall(*[a if isinstance(a, ctypes.Array) else ctypes.c_long(a) for a in args])
    check(r >= 0)
    return r


def bpf():
    """A map: command 0, of type 2."""
    system_call(321, 0, ctypes.create_string_buffer(b"".join(n.to_bytes(4, "little") for n in (2, 4, 8, 1)), 64), 64)


def perf():
    """A counter of the kernel's clock."""
    system_call(298, ctypes.create_string_buffer((1 | 128 << 32).to_bytes(16, "little"), 128), 0, -1, -1, 0)


def addresses():
    with open("/proc/kallsyms") as f:
        check(int(f.readline().split()[0], 16) != 0)


def shell():
    if not os.path.exists("/bin/sh"):
        raise OSError(errno.ENOENT, "")


attempt("fork", fork)
attempt("spawn", spawn)
attempt("system", system)
attempt("subprocess", lambda: subprocess.run(["/bin/sh", "-c", "exit 0"], check=True))
attempt("popen", lambda: subprocess.Popen("exit 0", shell=True, preexec_fn=lambda: None).wait())
attempt("a shell in the image", shell)
attempt("written memory", written)
attempt("memory reprotected", reprotected)
attempt("a file in memory", twice)
attempt("a written file", from_file)
attempt("a copied library", library)
attempt("the heap", stack)
attempt("code by /proc/self/mem", text)
attempt("memory by process_vm_writev", vectors)
attempt("ptrace", aside(traced))
attempt("a program in memory", aside(executed_memfd))
attempt("another user", aside(someone))
attempt("set-ID bits", set_ids)
attempt("another group", aside(lambda: os.setgid(1000)))
attempt("a script", script)
attempt("a terminal", os.openpty)
attempt("chroot", aside(lambda: os.chroot(TMP)))
attempt("mount", aside(mounted))
attempt("a user namespace", aside(lambda: check(libc.unshare(0x10000000) == 0)))
attempt("code unmapped", aside(lambda: check(libc.munmap(code(), 4096) == 0)))
attempt("code withdrawn", aside(lambda: check(libc.mprotect(code(), 4096, 0) == 0)))
attempt("code mapped over", aside(over))
attempt("the upper half", lambda: system_call(1 << 32 | 39))
attempt("PER_LINUX32", aside(lambda: check(libc.personality(8) >= 0)))
attempt("a packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close())
attempt("io_uring", lambda: os.close(system_call(425, 8, ctypes.create_string_buffer(120))))
attempt("userfaultfd", lambda: os.close(system_call(323, os.O_CLOEXEC)))
attempt("a map of bpf", bpf)
attempt("perf events", perf)
attempt("the kernel's addresses", addresses)
attempt("the kernel's log", lambda: system_call(103, 3, ctypes.create_string_buffer(4096), 4096))
attempt("exec", lambda: os.execv("/bin/echo", ["echo", "exec: done"]))
