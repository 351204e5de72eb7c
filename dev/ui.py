"""`make ui`: starts the stack on what the demo left and keeps it up until Ctrl-C."""

import sys
import time

from dev.entry import exit_status


def main() -> int:
    """Start, tell where to look, and wait."""
    from dev import demo_data, demo_main  # noqa: PLC0415  # a second of imports, in which Ctrl-C counts too
    from dev.adopting import adopt_after_move  # noqa: PLC0415
    from dev.phases import Phases  # noqa: PLC0415
    from dev.processes import ProcessError  # noqa: PLC0415
    from dev.stack import Stack  # noqa: PLC0415

    phases = Phases()
    phases.begin("starting Postgres, S3 and Airflow")
    try:
        with Stack(policies=demo_main.POLICIES) as stack:
            if not demo_data.is_loaded(stack):
                print("there is no demo data yet, so it is loaded first. Nothing is archived", flush=True)
                demo_main.set_up(stack, phases)
            elif stack.postgres.moved:
                clients = adopt_after_move(stack.postgres, stack.s3, demo_main.POLICIES)
                print(f"Postgres's port was taken; adopted at the new one: {', '.join(clients) or 'none'}", flush=True)
            print("\n".join(["", *stack.status_lines(), "", "up until Ctrl-C"]), flush=True)
            _wait()
            phases.begin("stopping")
    except ProcessError as error:
        print(f"failed: {error}", flush=True)
        return 1
    return 0


def _wait() -> None:
    """Sleep until a signal comes, which is how this command ends in order."""
    try:
        while True:
            time.sleep(60)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    sys.exit(exit_status(main))
