# Can code of libraries be changed or replaced? Prints a line for each attempt.
import _ctypes, ctypes, errno, mmap, sqlite3, ssl, zlib

libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
MAP_FIXED = 0x10


def mapped(name):
    with open("/proc/self/maps") as f:
        return [(int(a, 16), int(b, 16), p) for line in f if name in line for a, b, p in [(*line.split()[0].split("-"), line.split()[1])]]


def tell(what, ok):
    print(what, "done" if ok else errno.errorcode[ctypes.get_errno()])


R, RW, RX = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE, mmap.PROT_READ | mmap.PROT_EXEC
for name in ("libsqlite3.so", "libc.so", "libssl.so"):
    parts = mapped(name)
    text = next(a for a, b, p in parts if p == "r-xp")
    relro = next(a for a, b, p in parts if p == "r--p" and any(q == "rw-p" and c == b for c, d, q in parts))
    tell(name + " code", libc.mprotect(text, 4096, R) == 0 and libc.mprotect(text, 4096, RX) == 0)
    tell(name + " relocated data", libc.mprotect(relro, 4096, RW) == 0 and libc.mprotect(relro, 4096, R) == 0)

for _ in range(2):
    handle = _ctypes.dlopen("libbz2.so.1.0", 2)
    _ctypes.dlclose(handle)
    print("libbz2.so unloaded", "done" if not mapped("libbz2.so") else "no")
constants = next(a for a, b, p in mapped("libsqlite3.so") if p == "r--p")
print(zlib.decompress(zlib.compress(b"still " * 100))[:5].decode(), sqlite3.connect(":memory:").execute("select 6*7").fetchone()[0], flush=True)
tell("libsqlite3.so constants", libc.munmap(constants, 4096) == 0)
