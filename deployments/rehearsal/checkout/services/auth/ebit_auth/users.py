"""Users: their table, their passwords (bcrypt), sign-up and sign-in."""

import asyncio
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor

import bcrypt
from ebit_shared.prisma import Prisma
from ebit_shared.web import RefusedError

MIGRATIONS = {
    "0001_users": "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, password BLOB NOT NULL)",
    "0002_roles": "CREATE TABLE roles (name TEXT PRIMARY KEY)",
}
SEEDS = ("INSERT OR IGNORE INTO roles VALUES ('player'), ('admin')",)
THREADS = 4
"""Threads that hash, as libuv's default pool has; bcrypt lets go of the interpreter while it works."""
MAX_PASSWORD_BYTES = 72
"""bcrypt looks at no more."""
MIN_PASSWORD = 8
"""Characters a password must have."""


class Users:
    """Sign-up and sign-in over a database.

    Args:
        database: holds the users table.
        cost: bcrypt's cost of new passwords.
    """

    def __init__(self, database: Prisma, cost: int) -> None:
        self._database = database
        self._cost = cost
        self._threads = ThreadPoolExecutor(THREADS, "bcrypt")
        # Compared with when the email is unknown, so that the time taken does not tell.
        self._nobody = bcrypt.hashpw(b"nobody", bcrypt.gensalt(cost))

    async def sign_up(self, email: str, password: str) -> str:
        """Add a user.

        Returns:
            Its id.

        Raises:
            RefusedError: 400 for an unusable email or password, 409 when the email is taken.
        """
        secret = password.encode()
        if "@" not in email or len(password) < MIN_PASSWORD or len(secret) > MAX_PASSWORD_BYTES:
            raise RefusedError(
                400, f"An email address and a password of {MIN_PASSWORD} characters to {MAX_PASSWORD_BYTES} bytes."
            )
        # Looked up first: a repeated seeding then costs no hashing.
        if await self._database.query("SELECT 1 FROM users WHERE email = ?", (email,)):
            raise RefusedError(409, "This email is taken.")
        hashed = await self._in_thread(bcrypt.hashpw, secret, bcrypt.gensalt(self._cost))
        user = str(uuid.uuid4())
        try:
            await self._database.query("INSERT INTO users VALUES (?, ?, ?)", (user, email, hashed))
        except sqlite3.IntegrityError:
            raise RefusedError(409, "This email is taken.") from None
        return user

    async def sign_in(self, email: str, password: str) -> str:
        """Id of the user with this email and password.

        Raises:
            RefusedError: 401 when there is none.
        """
        rows = await self._database.query("SELECT id, password FROM users WHERE email = ?", (email,))
        user, hashed = rows[0] if rows else ("", self._nobody)
        matches = await self._in_thread(bcrypt.checkpw, password.encode()[:MAX_PASSWORD_BYTES], hashed)
        if not (matches and user):
            raise RefusedError(401, "Email or password is wrong.")
        return user

    async def _in_thread(self, function, *arguments: bytes):  # noqa: ANN001, ANN202 - bcrypt's two functions
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
