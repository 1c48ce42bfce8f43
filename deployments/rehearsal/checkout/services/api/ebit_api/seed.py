"""`python -m ebit_api.seed`: adds the rows every installation has; safe to repeat."""

import sys

from ebit_api.prepare import ask_all

if __name__ == "__main__":
    sys.exit(ask_all("seed", "added"))
