"""What the programs of this folder share: the talk with the test (see harness.Dialogue) and small waits."""

import sys
import time

import os

BROKER = os.environ["BROKER"]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def ok(name):
    print("OK", name, flush=True)


def restart(how):
    """Has the broker stopped (STOP) or killed (KILL) and started again."""
    print(how, flush=True)
    sys.stdin.readline()


def until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("did not come true: " + what)
        time.sleep(0.02)
