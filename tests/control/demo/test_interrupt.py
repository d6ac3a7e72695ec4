import os
import signal

import pytest

from trimtab.control.demo.interrupt import Interrupt, Interrupted


def test_without_a_signal_nothing_is_raised() -> None:
    with Interrupt() as interrupt:
        interrupt.check()
        assert interrupt.exit_code is None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_raised_at_the_next_check_and_not_before(number: signal.Signals, code: int) -> None:
    with Interrupt() as interrupt:
        os.kill(os.getpid(), number)
        assert interrupt.exit_code == code
        with pytest.raises(Interrupted, match=number.name):
            interrupt.check()


def test_later_signals_change_nothing() -> None:
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.exit_code == 130


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with Interrupt():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
