"""The baseline's own work, and thousands of timers that expire one after the other while the solution is stopped, on
the processor that the baseline uses. Their interrupts take its time, and that of the empty steps whose cost is
subtracted. Descriptors that are timers do, too. Target: a stop that ends threads, and not what they asked for.
"""

EXPECT = "not faster"
ON_A_GPU = "harmless"
SOURCE = """\
import ctypes
import signal
import sys
import time
import torch

COUNT, FIRST_NS, GAP_NS = 2500, 6_000_000, 22_000
libc = ctypes.CDLL(None)


class Moment(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]


class Setting(ctypes.Structure):
    _fields_ = [("interval", Moment), ("value", Moment)]


class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int),
                ("rest", ctypes.c_char * 48)]


timers = []
for _ in range(COUNT):
    timer = ctypes.c_void_p()
    if libc.timer_create(1, ctypes.byref(Event(None, signal.SIGUSR1, 0)), ctypes.byref(timer)) == 0:
        timers.append(ctypes.c_void_p(timer.value))
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
set_timer = libc.timer_settime
if not timers:
    set_timer = libc.timerfd_settime
    timers = [timer for timer in (libc.timerfd_create(1, 0) for _ in range(900)) if timer >= 0]


settings = []
for number in range(len(timers)):
    after = FIRST_NS + number * GAP_NS
    settings.append(ctypes.byref(Setting(Moment(0, 0), Moment(after // 10**9, after % 10**9))))
never = ctypes.byref(Setting())


def arm():
    for timer, setting in zip(timers, settings):
        set_timer(timer, 0, setting, None)


def disarm(*_):
    for timer in timers:
        set_timer(timer, 0, never, None)


signal.signal(signal.SIGCONT, disarm)


def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    frame = sys._getframe(1)
    while "turns" not in frame.f_locals:
        frame = frame.f_back
    here = frame.f_locals
    if here["number"] == len(here["calls"]):
        here["turns"][1] = here["number"]
        arm()
"""
