"""Computes in threads for as long as the process that started it lives: a second program beside k6 on its host.

Run as a file, ``python -S -I burner.py PARENT THREADS``, so that it computes from its first moment on.
"""

import hashlib
import os
import sys
import threading

# About a tenth of a second of a core; the interpreter's lock is not held meanwhile.
_ROUNDS = 100_000


def burn(parent: int) -> None:
    """Use all the CPU there is, while this process is the child of that one."""
    while os.getppid() == parent:
        hashlib.pbkdf2_hmac("sha256", b"burner", b"salt", _ROUNDS)


if __name__ == "__main__":
    for _ in range(int(sys.argv[2])):
        threading.Thread(target=burn, args=(int(sys.argv[1]),)).start()
