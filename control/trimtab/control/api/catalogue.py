"""The models' catalogue as the API holds it: opened when somebody first asks, and kept."""

from http import HTTPStatus
from threading import Lock

from trimtab.catalog.address import open_store
from trimtab.catalog.errors import WrongAddress
from trimtab.catalog.store import Store
from trimtab.catalog.view import View
from trimtab.control.api.problem import ApiProblem
from trimtab.streams.settings import CatalogSettings


class Catalogue:
    """A catalogue that is opened late. Its methods block."""

    def __init__(self, settings: CatalogSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._opened: tuple[Store, View] | None = None

    @property
    def store(self) -> Store:
        """The store. Raises the answer 404 where no catalogue is set, 503 where it is not to be had."""
        return self._open()[0]

    @property
    def view(self) -> View:
        """What a choice looks at."""
        return self._open()[1]

    def _open(self) -> tuple[Store, View]:
        if not self._settings.url:
            raise ApiProblem(
                HTTPStatus.NOT_FOUND, "there is no catalogue: catalog.url (TRIMTAB_CATALOG__URL) is not set"
            )
        with self._lock:
            if self._opened is None:
                try:
                    store = open_store(self._settings.url, password=self._settings.secret)
                except WrongAddress as error:
                    raise ApiProblem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
                self._opened = (store, View(store))
            return self._opened

    def close(self) -> None:
        """Ends its connections."""
        with self._lock:
            if self._opened is not None:
                self._opened[0].close()
                self._opened = None
