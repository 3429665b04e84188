"""A network between a client and a server here: passes bytes on, each piece a while later.

Words: SOCKET SECONDS; prints the port on loopback that leads to the socket, and goes on until its stdin ends.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time


def main(path: str, seconds: float) -> None:
    """Relay all that connect, until nobody needs it any more."""
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listening, path, seconds), daemon=True).start()
    print(listening.getsockname()[1], flush=True)
    sys.stdin.read()
    os._exit(0)  # whoever is still connected has nobody to talk to


def _accept(listening: socket.socket, path: str, seconds: float) -> None:
    while True:
        near, _ = listening.accept()
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far = socket.socket(socket.AF_UNIX)
        far.connect(path)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=_pass_on, args=(source, sink, seconds), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, seconds: float) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            time.sleep(seconds)
            sink.sendall(piece)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
