import signal
import sys
import time
from pathlib import Path

import pytest

from conftest import Eventually
from sidecar.program import Program

PATIENCE_S = 1.0
PROGRAM = """
import asyncio, time
from trimtab.streams.pulse import Pulse

async def main():
    beating = asyncio.create_task(Pulse({patience}, 7).beat_forever())
    await asyncio.sleep(0.1)
    print("turning", flush=True)
    {work}

asyncio.run(main())
"""


def program(folder: Path, work: str) -> Program:
    code = PROGRAM.format(patience=PATIENCE_S, work=work)
    return Program(folder / "log", sys.executable, "-c", code)


def test_a_blocked_loop_ends_the_process_and_shows_where_it_hangs(tmp_path: Path) -> None:
    blocked = program(tmp_path, "time.sleep(60)")
    assert blocked.wait(60) == 7
    assert "the event loop is blocked for 1 s" in blocked.output
    assert 'File "<string>", line 9 in main' in blocked.output


def test_a_loop_that_turns_goes_on_and_its_end_is_its_own(tmp_path: Path) -> None:
    assert program(tmp_path, f"await asyncio.sleep({2 * PATIENCE_S})").wait(20) == 0


@pytest.mark.parametrize("times", [1, 2])
def test_a_process_that_was_frozen_as_a_whole_goes_on(tmp_path: Path, times: int, eventually: Eventually) -> None:
    frozen = program(tmp_path, f"await asyncio.sleep({(times + 1) * 2 * PATIENCE_S})")
    eventually(lambda: "turning" in frozen.output, what="the loop turns")
    for _ in range(times):
        frozen.send_signal(signal.SIGSTOP)
        time.sleep(2 * PATIENCE_S)  # the fault itself, not a wait for something
        frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(60) == 0
