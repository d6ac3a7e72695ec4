"""Errors of the catalogue, by what is wrong.

TrimtabError
└── CatalogError
    ├── UnknownNode     a name that the catalogue does not have
    ├── DanglingEdge    something would rest on what is not there
    ├── Cycle           something would rest on itself
    ├── TooMuch         a bound of what is kept would be crossed
    ├── NothingMatches  a query that no model satisfies
    └── WrongAddress    an address that leads to no catalogue
"""

from trimtab.schemas.errors import TrimtabError


class CatalogError(TrimtabError):
    """The root of what the catalogue refuses; nothing was written."""


class UnknownNode(CatalogError):
    """A name that the catalogue does not have."""


class DanglingEdge(CatalogError):
    """Something would rest on what is not there; the message has both."""


class Cycle(CatalogError):
    """Something would rest on itself; the message has the whole path."""


class TooMuch(CatalogError):
    """A bound of what is kept would be crossed."""


class NothingMatches(CatalogError):
    """A query that no model satisfies; the message says which constraint excluded how many."""


class WrongAddress(CatalogError):
    """An address that leads to no catalogue."""
