"""without.py: runs a program on a kernel that lacks something, by a seccomp filter.

    without.py pidfd,pdeathsig -- PROGRAM ARGUMENT…

`pidfd`: pidfd_open fails with ENOSYS, as on Linux before 5.3. `pdeathsig`: PR_SET_PDEATHSIG says yes
and does nothing. `fork`: no new process, as with `ulimit -u`. The program is the real one: nothing in it knows of the filter. Exits with 77 where
filters are not allowed.
"""
import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
RET_ALLOW = 0x7FFF0000
RET_ERRNO = 0x00050000
LOAD_WORD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
OFFSET_NUMBER, OFFSET_ARGUMENT_0 = 0, 16  # in struct seccomp_data, little-endian
PR_SET_PDEATHSIG = 1
PIDFD_OPEN = 434
PRCTL = {"x86_64": 157, "aarch64": 167}
FORKS = {"x86_64": (56, 57, 58, 435), "aarch64": (220, 435)}  # clone, fork, vfork, clone3


def instruction(code, true_skip, false_skip, value):
    return struct.pack("<HBBI", code, true_skip, false_skip, value)


def program(lacks):
    code = []
    if "pidfd" in lacks:
        code += [instruction(LOAD_WORD, 0, 0, OFFSET_NUMBER),
                 instruction(JUMP_EQUAL, 0, 1, PIDFD_OPEN),
                 instruction(RETURN, 0, 0, RET_ERRNO | errno.ENOSYS)]
    if "pdeathsig" in lacks:
        code += [instruction(LOAD_WORD, 0, 0, OFFSET_NUMBER),
                 instruction(JUMP_EQUAL, 0, 3, PRCTL[platform.machine()]),
                 instruction(LOAD_WORD, 0, 0, OFFSET_ARGUMENT_0),
                 instruction(JUMP_EQUAL, 0, 1, PR_SET_PDEATHSIG),
                 instruction(RETURN, 0, 0, RET_ERRNO | 0)]
    if "fork" in lacks:
        code.append(instruction(LOAD_WORD, 0, 0, OFFSET_NUMBER))
        for number in FORKS[platform.machine()]:
            code += [instruction(JUMP_EQUAL, 0, 1, number),
                     instruction(RETURN, 0, 0, RET_ERRNO | errno.EAGAIN)]
    code.append(instruction(RETURN, 0, 0, RET_ALLOW))
    return code


class Fprog(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def install(lacks):
    libc = ctypes.CDLL(None, use_errno=True)
    code = program(lacks)
    fprog = Fprog(len(code), b"".join(code))
    return (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0) == 0)


if __name__ == "__main__":
    if sys.argv[2:3] != ["--"] or platform.machine() not in PRCTL or not install(
            sys.argv[1].split(",")):
        sys.stderr.write("seccomp filters cannot be used here\n")
        sys.exit(77)
    os.execv(sys.argv[3], sys.argv[3:])
