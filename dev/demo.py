"""`make demo`: loads five clients, archives them, and checks from outside that no row was lost or doubled.

Exits with 0 when every check passed, with 1 when one failed, with 130 on Ctrl-C.
"""

import sys

from dev.entry import exit_status


def main() -> int:
    """Run the demo."""
    from dev.demo_main import run_demo  # noqa: PLC0415  # a second of imports, in which Ctrl-C counts too

    return run_demo()


if __name__ == "__main__":
    sys.exit(exit_status(main))
