"""Writing figures into SQLite: the newest of each series is kept apart, so that nobody reads a history to find it.

What a figure costs does not depend on how long the history is. Those that come after all others of their series, as
what is written back of a release does, are written together.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import Final

from trimtab.catalog.figure import MAX_TIMES, Figure
from trimtab.schemas.model_ref import ModelRef

_OF_SERIES: Final = "ref = ?1 AND metric = ?2 AND segment = ?3"
_UPDATE: Final = f"UPDATE figure SET value = ?5, count = ?6 WHERE {_OF_SERIES} AND time_s = ?4"  # noqa: S608 - our own words
_INSERT: Final = "INSERT INTO figure VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
_NEWEST: Final = """
    INSERT INTO newest VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1) ON CONFLICT (ref, metric, segment) DO UPDATE SET
        value = iif(excluded.time_s >= time_s, excluded.value, value),
        count = iif(excluded.time_s >= time_s, excluded.count, count),
        time_s = max(time_s, excluded.time_s),
        times = times + ?7
"""
_FORGET: Final = f"""
    DELETE FROM figure WHERE {_OF_SERIES} AND time_s = (SELECT min(time_s) FROM figure WHERE {_OF_SERIES})
        AND (SELECT times FROM newest WHERE {_OF_SERIES}) > ?4
"""  # noqa: S608 - our own words
_FORGOTTEN: Final = f"UPDATE newest SET times = times - 1 WHERE {_OF_SERIES}"  # noqa: S608 - our own words


_TIMES: Final = "SELECT metric, segment, time_s, times FROM newest WHERE ref = ?"
_FORGET_ONE: Final = f"""
    DELETE FROM figure WHERE {_OF_SERIES} AND time_s = (SELECT min(time_s) FROM figure WHERE {_OF_SERIES})
"""  # noqa: S608 - our own words


def add_figures(connection: sqlite3.Connection, ref: ModelRef, figures: Iterable[Figure]) -> None:
    """Writes figures, each in place of one of the same time; of a series over `MAX_TIMES` the oldest goes."""
    figures = list(figures)
    series = Counter(figure.key for figure in figures)
    found = connection.execute(_TIMES, (ref,))
    known = {(metric, segment): (time_s, times) for metric, segment, time_s, times in found}
    latest: list[tuple[Figure, bool]] = []
    for figure in figures:
        time_s, times = known.get((figure.metric, figure.segment), (-1, 0))
        if series[figure.key] == 1 and figure.time_s > time_s:
            latest.append((figure, times >= MAX_TIMES))
        else:
            add_figure(connection, ref, figure)
    rows = [(ref, one.metric, one.segment, one.time_s, one.value, one.count) for one, _ in latest]
    connection.executemany(_INSERT, rows)
    more = [(*row, int(not is_full)) for row, (_, is_full) in zip(rows, latest, strict=True)]
    connection.executemany(_NEWEST, more)
    connection.executemany(_FORGET_ONE, [row[:3] for row, (_, is_full) in zip(rows, latest, strict=True) if is_full])


def add_figure(connection: sqlite3.Connection, ref: ModelRef, figure: Figure) -> None:
    """Writes a figure, in place of one of the same time; of a series over `MAX_TIMES` the oldest goes."""
    series = (ref, figure.metric, figure.segment)
    row = (*series, figure.time_s, figure.value, figure.count)
    is_new = not connection.execute(_UPDATE, row).rowcount
    if is_new:
        connection.execute(_INSERT, row)
    connection.execute(_NEWEST, (*row, int(is_new)))
    if is_new and connection.execute(_FORGET, (*series, MAX_TIMES)).rowcount:
        connection.execute(_FORGOTTEN, series)
