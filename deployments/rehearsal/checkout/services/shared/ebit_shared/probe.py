"""`python -m ebit_shared.probe PORT`: exit 0 when a service answers GET /health with 200 (compose health checks)."""

import socket
import sys

TIMEOUT_S = 1.5
"""Below the health check's own two seconds."""


def main() -> int:
    """Ask once; only `socket` is imported, because this runs every few seconds."""
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), TIMEOUT_S) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return 0 if connection.recv(16).startswith(b"HTTP/1.1 200") else 1
    except (OSError, ValueError, IndexError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
