from threading import Thread

from hypothesis import given
from hypothesis import strategies as st

from trimtab.client.buffer import Buffer
from trimtab.client.rows import Row
from trimtab.schemas.telemetry import RoutingKey

ROW: Row = (RoutingKey("checkout", "v1", "", 1, 1), 1)


def offered(buffer: Buffer, count: int) -> Buffer:
    for _ in range(count):
        buffer.offer(ROW)
    return buffer


def test_the_reader_is_woken_by_a_full_batch_only() -> None:
    buffer = offered(Buffer(max_rows=3, max_pending=10), 2)
    assert not buffer.wake.is_set()
    buffer.offer(ROW)
    assert buffer.wake.is_set()


def test_full_batches_are_taken_and_the_rest_waits() -> None:
    buffer = offered(Buffer(max_rows=3, max_pending=10), 8)
    assert [len(rows) for rows in buffer.take(partial=False)] == [3, 3]
    assert [len(rows) for rows in buffer.take(partial=False)] == []
    assert [len(rows) for rows in buffer.take(partial=True)] == [2]


def test_what_is_taken_stays_pending_until_it_is_settled() -> None:
    buffer = offered(Buffer(max_rows=3, max_pending=4), 4)
    buffer.take(partial=True)
    buffer.offer(ROW)
    assert (buffer.account.pending, buffer.account.dropped) == (4, 1)
    buffer.settle(published=4)
    buffer.offer(ROW)
    assert (buffer.account.pending, buffer.account.dropped) == (1, 1)


def test_a_closed_buffer_drops() -> None:
    buffer = Buffer(max_rows=3, max_pending=4)
    buffer.close()
    assert offered(buffer, 2).account.dropped == 2


def test_waiting_ends_when_the_last_event_is_settled() -> None:
    buffer = offered(Buffer(max_rows=3, max_pending=4), 2)
    results: list[bool] = []
    waiter = Thread(target=lambda: results.append(buffer.wait_settled(10)))
    waiter.start()
    assert buffer.wake.wait(60)
    buffer.settle(published=1, dropped=1)
    waiter.join(10)
    assert results == [True]


def test_waiting_gives_up_after_its_time() -> None:
    assert not offered(Buffer(max_rows=3, max_pending=4), 1).wait_settled(0.01)


def test_there_is_nothing_to_wait_for_without_events() -> None:
    assert Buffer(max_rows=3, max_pending=4).wait_settled(0)


@given(st.lists(st.one_of(st.just("offer"), st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)))))
def test_the_account_adds_up(steps: list[str | tuple[int, int, int]]) -> None:
    buffer, offers = Buffer(max_rows=3, max_pending=5), 0
    for step in steps:
        if isinstance(step, str):
            buffer.offer(ROW)
            offers += 1
        elif sum(step) <= buffer.account.pending:
            buffer.settle(published=step[0], dropped=step[1], invalid=step[2])
        account = buffer.account
        assert account.published + account.dropped + account.invalid + account.pending == offers
        assert 0 <= account.pending <= 5


def test_offers_of_several_threads_are_all_counted() -> None:
    buffer = Buffer(max_rows=500, max_pending=15_000)
    threads = [Thread(target=offered, args=(buffer, 5_000)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (buffer.account.pending, buffer.account.dropped) == (15_000, 5_000)
    assert sum(len(rows) for rows in buffer.take(partial=True)) == 15_000
