"""Prefect's empty database: migrated once, since its hundreds of migrations take longer than everything else a server does.

The rehearsal begins with a copy of it. Prefect migrates a database that is older than itself, so a copy is never wrong.
"""

import os
import shutil
from collections.abc import Mapping

from deployments.setup.console import Console
from deployments.setup.layout import Layout
from deployments.setup.problems import SetupProblem
from deployments.setup.processes import run

_MIGRATE_LIMIT_S = 300.0  # 20 s on two cores


def make_prefect_database(layout: Layout, environ: Mapping[str, str], console: Console) -> None:
    """Make the database unless there is one; raises SetupProblem with Prefect's last lines."""
    if layout.prefect_database.is_file():
        return
    home = layout.prefect_database.parent
    part = home / "part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    kept = {name: value for name, value in environ.items() if not name.startswith("PREFECT_")}
    kept |= {"PREFECT_HOME": str(part), "PREFECT_PROFILES_PATH": os.devnull, "DO_NOT_TRACK": "1"}
    with console.step("Prefect's empty database"):
        made = run(
            [layout.python, "-m", "prefect", "server", "database", "upgrade", "-y"], limit_s=_MIGRATE_LIMIT_S, env=kept
        )
        if not made.ok:
            raise SetupProblem(f"Prefect could not make its database in {part}. Its last lines:\n{made.tail()}")
        (part / layout.prefect_database.name).replace(layout.prefect_database)
        shutil.rmtree(part)
