"""The system-call filter, as a BPF program built here: deny what escapes use, allow the rest.

Standard library only: this runs inside the sandbox, in the launcher, before any candidate code.
A deny-list is right here because the filter is the last of several layers (namespaces, uid,
capabilities, Landlock), and CUDA and Python use too many calls for an allow-list that stays correct.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_LD_ABS, _JEQ, _JSET, _RET = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NR, _ARCH, _ARG0_LOW = 0, 4, 16

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# System-call numbers by machine. Sources: Linux's syscall_64.tbl and asm-generic/unistd.h.
_DENIED: dict[str, dict[str, int]] = {
    "x86_64": {
        "ptrace": 101,
        "syslog": 103,
        "personality": 135,
        "modify_ldt": 154,
        "pivot_root": 155,
        "chroot": 161,
        "acct": 163,
        "mount": 165,
        "umount2": 166,
        "swapon": 167,
        "swapoff": 168,
        "reboot": 169,
        "iopl": 172,
        "ioperm": 173,
        "init_module": 175,
        "sched_setaffinity": 203,
        "delete_module": 176,
        "quotactl": 179,
        "lookup_dcookie": 212,
        "timer_create": 222,
        "kexec_load": 246,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "unshare": 272,
        "timerfd_create": 283,
        "perf_event_open": 298,
        "fanotify_init": 300,
        "name_to_handle_at": 303,
        "open_by_handle_at": 304,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "finit_module": 313,
        "kexec_file_load": 320,
        "bpf": 321,
        "userfaultfd": 323,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
        "open_tree": 428,
        "move_mount": 429,
        "fsopen": 430,
        "fsconfig": 431,
        "fsmount": 432,
        "fspick": 433,
        "pidfd_getfd": 438,
        "process_madvise": 440,
        "mount_setattr": 442,
    },
    "aarch64": {
        "lookup_dcookie": 18,
        "umount2": 39,
        "mount": 40,
        "pivot_root": 41,
        "chroot": 51,
        "quotactl": 60,
        "timerfd_create": 85,
        "acct": 89,
        "personality": 92,
        "unshare": 97,
        "kexec_load": 104,
        "init_module": 105,
        "delete_module": 106,
        "timer_create": 107,
        "syslog": 116,
        "sched_setaffinity": 122,
        "ptrace": 117,
        "reboot": 142,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "swapon": 224,
        "swapoff": 225,
        "perf_event_open": 241,
        "fanotify_init": 262,
        "name_to_handle_at": 264,
        "open_by_handle_at": 265,
        "setns": 268,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "finit_module": 273,
        "bpf": 280,
        "userfaultfd": 282,
        "kexec_file_load": 294,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
        "open_tree": 428,
        "move_mount": 429,
        "fsopen": 430,
        "fsconfig": 431,
        "fsmount": 432,
        "fspick": 433,
        "pidfd_getfd": 438,
        "process_madvise": 440,
        "mount_setattr": 442,
    },
}
_LEAVES_WORK: dict[str, dict[str, int]] = {
    "x86_64": {
        "shmget": 29,
        "sendmsg": 46,
        "semget": 64,
        "msgget": 68,
        "io_setup": 206,
        "mq_open": 240,
        "inotify_init": 253,
        "inotify_init1": 294,
        "sendmmsg": 307,
    },
    "aarch64": {
        "io_setup": 0,
        "inotify_init1": 26,
        "mq_open": 180,
        "msgget": 186,
        "semget": 190,
        "shmget": 194,
        "sendmsg": 211,
        "sendmmsg": 269,
    },
}
"""What lets a process leave work to the kernel's own threads, which stopping the process does not stop:
sockets in flight in a circle, watches, queues that go with their namespace."""

_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_SOCKET = {"x86_64": 41, "aarch64": 198}
_X32_BIT = 0x40000000

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NAMESPACE_FLAGS = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x60000000
_AF_UNIX = 1


def _instruction(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, value)


def _answer(action: int) -> bytes:
    return _instruction(_RET, 0, 0, action)


def program(machine: str | None = None, *, measured: bool = False) -> bytes:
    """The filter for a machine ('x86_64' or 'aarch64'): 8 bytes an instruction.

    Args:
        measured: what must have ended when its processes are stopped is measured against others.

    Raises:
        OSError: no filter is known for the machine; the caller must not go on without one.
    """
    name = machine or platform.machine()
    if name not in _DENIED:
        raise OSError(errno.ENOSYS, f"no system-call filter for {name}")
    denied = _answer(_ERRNO | errno.EPERM)
    code = [
        _instruction(_LD_ABS, 0, 0, _ARCH),
        _instruction(_JEQ, 1, 0, _AUDIT_ARCH[name]),
        _answer(_KILL),
        _instruction(_LD_ABS, 0, 0, _NR),
    ]
    if name == "x86_64":  # the x32 table is another way to the same calls
        code += [_instruction(_JSET, 0, 1, _X32_BIT), denied]
    more = _LEAVES_WORK[name] if measured else {}
    for number in sorted((_DENIED[name] | more).values()):
        code += [_instruction(_JEQ, 0, 1, number), denied]
    # clone3 hides its flags behind a pointer: ENOSYS makes the C library use clone instead.
    code += [_instruction(_JEQ, 0, 1, _CLONE3), _answer(_ERRNO | errno.ENOSYS)]
    code += [
        _instruction(_JEQ, 0, 4, _CLONE[name]),
        _instruction(_LD_ABS, 0, 0, _ARG0_LOW),
        _instruction(_JSET, 0, 1, _NAMESPACE_FLAGS),
        denied,
        _answer(_ALLOW),
    ]
    code += [
        _instruction(_JEQ, 0, 3, _SOCKET[name]),
        _instruction(_LD_ABS, 0, 0, _ARG0_LOW),
        _instruction(_JEQ, 1, 0, _AF_UNIX),
        denied,
    ]
    code.append(_answer(_ALLOW))
    return b"".join(code)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(*, measured: bool = False) -> None:
    """Install the filter on this process and its future children. It cannot be removed.

    Needs `no_new_privs`. Raises:
        OSError: the kernel refused.
    """
    code = program(measured=measured)
    buffer = ctypes.create_string_buffer(code, len(code))
    described = _Program(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    pr_set_seccomp, mode_filter = 22, 2
    if libc.prctl(pr_set_seccomp, mode_filter, ctypes.byref(described), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")
