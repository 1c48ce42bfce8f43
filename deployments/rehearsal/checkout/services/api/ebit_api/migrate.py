"""`python -m ebit_api.migrate`: applies the migrations that are not applied yet; safe to repeat."""

import sys

from ebit_api.prepare import ask_all

if __name__ == "__main__":
    sys.exit(ask_all("migrate", "applied"))
