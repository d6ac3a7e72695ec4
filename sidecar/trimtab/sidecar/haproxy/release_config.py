"""What HAProxy's configuration has of one release: how requests come to its backends, and these.

Until a sidecar says otherwise the baseline takes everything. Health checks are made once for each server, in the
backend of the whole; its namesakes in other backends follow it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trimtab.schemas.condition_text import all_of
from trimtab.schemas.decision import Sticky
from trimtab.schemas.ids import NO_REVISION
from trimtab.schemas.release import Release
from trimtab.schemas.segment import Segment
from trimtab.sidecar.haproxy.condition import acls
from trimtab.sidecar.haproxy.names import (
    HEADER_RELEASE,
    HEADER_REVISION,
    HEADER_SEGMENT,
    HEADER_VARIANT,
    claim_backend,
    cookie_name,
    kept_key,
    outside_backend,
    ranges_key,
    revision_text,
    segment_backend,
    sticky_backend,
    target_of,
)
from trimtab.sidecar.haproxy.proxy_settings import ProxySettings
from trimtab.sidecar.haproxy.shares import MAX_WEIGHT
from trimtab.sidecar.haproxy.sticky_script import ACTION

CHECK: Final = "check inter 2s fall 3 rise 2"
_KEPT_S: Final = 30 * 24 * 3600
_UNSTAMPED: Final = revision_text(NO_REVISION)

Section = tuple[str, list[str]]
"""A title and the lines under it."""


@dataclass(frozen=True, slots=True)
class ReleaseConfig:
    """One release at one HAProxy. `own` begins the names of its ACLs and variables."""

    release: Release
    own: str
    settings: ProxySettings

    @property
    def name(self) -> str:
        """The release's name, which is that of the backend for the whole, too."""
        return self.release.name

    @property
    def overall(self) -> str:
        """The condition of the route; empty where everybody takes part."""
        return self.release.spec.route.condition or ""

    @property
    def by(self) -> Sticky | None:
        """By what visitors are recognised, as the release file says it."""
        told = self.release.spec.stickiness
        if told is None:
            return None
        return Sticky(seed=told.seed or self.name, cookie=told.cookie or "", header=told.header or "")

    def variables(self) -> list[str]:
        """Gives the rules of the frontend that come before all `use_backend`."""
        lines = []
        if self.settings.sticky:
            lines.append(f"http-request set-var({self._variable('cookie')}) req.cook({cookie_name(self.name)})")
        if self.settings.segment_key:
            sample = f"{self.settings.segment_key},map_str({self.settings.files.segments(self.name)})"
            lines.append(f"http-request set-var({self._variable('segment')}) {sample}")
        return lines

    def routing(self) -> Iterator[str]:
        """Gives the ACLs and the `use_backend` rules, in the order that docs/conditions.md tells."""
        yield f"# release {self.name}"
        yield f"acl {self.own}_prefix path -m beg -- {_quoted(self.release.spec.route.prefix)}"
        yield from self._claims()
        yield from self._segments()
        yield from self._rules(self.own, self.name)
        if self.overall:
            yield f"use_backend {outside_backend(self.name, self.overall)} if {self.own}_prefix"

    def backends(self) -> Iterator[Section]:
        """Gives the backends: of the whole, of segments, of claims, of what takes no part."""
        spec = self.release.spec
        yield self._weighted(self.name, "")
        for segment in spec.segments:
            if segment.condition is not None or self.settings.segment_key:
                yield self._weighted(self._segment_backend(segment), segment.name)
        for variant in spec.variants:
            if variant.condition is not None:
                backend = claim_backend(self.name, variant.name, self.overall, variant.condition)
                yield f"backend {backend}", ["balance roundrobin", *self._told(""), *self._followers(variant.at_proxy)]
        if self.by is not None:
            nobody = "server none 127.0.0.1:1 disabled"
            yield f"backend {sticky_backend(self.name, self.by)}", ["# It tells the sidecar of the above.", nobody]
        if self.overall:
            silent = [f"http-after-response del-header {header}" for header in _HEADERS]
            backend = outside_backend(self.name, self.overall)
            yield f"backend {backend}", ["balance roundrobin", *silent, *self._followers(self._baseline)]

    def _claims(self) -> Iterator[str]:
        for place, variant in enumerate(self.release.spec.variants, 1):
            if variant.condition is not None:
                backend = claim_backend(self.name, variant.name, self.overall, variant.condition)
                drawn = f"{self.own}_drawn_{place}"
                yield f"# variant {variant.name}: {variant.condition}"
                yield f"acl {drawn} str({backend}),map_str({self.settings.files.map},0),sub(txn.trimtab_draw) gt 0"
                yield from self._rules(f"{self.own}-v{place}", backend, variant.condition, also=drawn)

    def _segments(self) -> Iterator[str]:
        """Gives the rules of segments that conditions tell, and then of those that the map tells."""
        segments = list(enumerate(self.release.spec.segments, 1))
        for place, segment in segments:
            if segment.condition is not None:
                yield f"# segment {segment.name}: {segment.condition}"
                yield from self._rules(f"{self.own}-s{place}", self._segment_backend(segment), segment.condition)
        for place, segment in segments if self.settings.segment_key else []:
            mapped = f"{self.own}_mapped_{place}"
            yield f"# segment {segment.name}: {self.settings.files.segments(self.name)}"
            yield f"acl {mapped} var({self._variable('segment')}) -m str {segment.name}"
            yield from self._rules(f"{self.own}-m{place}", self._segment_backend(segment), also=mapped)

    def _rules(self, name: str, backend: str, condition: str = "", *, also: str = "") -> Iterator[str]:
        """Gives the rules to `backend` for what takes part and meets `condition` and the ACL `also`."""
        terms = " ".join(filter(None, (f"{self.own}_prefix", also)))
        whole = all_of((self.overall, condition))
        if whole is None:
            yield f"use_backend {backend} if {terms}"
            return
        found = acls(whole, name)
        yield from found.lines
        yield from (f"use_backend {backend} if {terms} {way}" for way in found.ways)

    def _weighted(self, backend: str, segment: str) -> Section:
        """Gives a backend whose servers the sidecar weighs."""
        stamp = f"str({self.name}),map_str({self.settings.files.map},{_UNSTAMPED})"
        lines = ["balance roundrobin", f"http-request set-var(txn.trimtab_revision) {stamp}"]
        lines += self._stickiness(backend) if self.settings.sticky else []
        lines += self._kept(backend, self.by) if self.by is not None else []
        lines += self._told(segment)
        for server, at in self._servers().items():
            weight = MAX_WEIGHT if target_of(server) == self._baseline else 0
            cookie = f" cookie {server}" if self.settings.sticky else ""
            check = CHECK if backend == self.name else f"track {self.name}/{server}"
            lines.append(f"server {server} {at} weight {weight}{cookie} {check}")
        return f"backend {backend}", lines

    def _stickiness(self, backend: str) -> list[str]:
        kept = f"str({kept_key(backend, '')}),concat(,{self._variable('cookie')}),map_str({self.settings.files.map},0)"
        return [
            "# Who has a cookie is routed by no weights. That of a server that gets nothing is void.",
            f"cookie {cookie_name(self.name)} insert indirect nocache httponly",
            f"acl trimtab_kept {kept} -m str 1",
            f"http-request set-var(txn.trimtab_revision) str({_UNSTAMPED}) if trimtab_kept",
            "ignore-persist unless trimtab_kept",
        ]

    def _kept(self, backend: str, by: Sticky) -> list[str]:
        """Gives the rules that take visitors to the server whose buckets theirs is among."""
        key, known = "http-request set-var(txn.trimtab_key)", "{ var(txn.trimtab_key) -m reg . }"
        lines = [f"{key} {f'req.cook({by.cookie})' if by.cookie else f'req.fhdr({by.header})'}"]
        if by.cookie:
            given = "{ var(txn.trimtab_given) -m found }"
            cookie = f"{by.cookie}=%[var(txn.trimtab_given)]; Path=/; Max-Age={_KEPT_S}; HttpOnly; SameSite=Lax"
            lines += [
                f"http-request set-var(txn.trimtab_given) uuid() if !{known}",
                f"{key} var(txn.trimtab_given) if {given}",
                f'http-after-response add-header set-cookie "{cookie}" if {given}',
            ]
        ranges = f"str({ranges_key(backend)}),map_str({self.settings.files.map})"
        return [
            *lines,
            f"http-request set-var(txn.trimtab_ranges) {ranges}",
            f"http-request lua.{ACTION} {_quoted(by.seed)}",
            "use-server %[var(txn.trimtab_server)] if { var(txn.trimtab_server) -m found }",
        ]

    def _told(self, segment: str) -> list[str]:
        """Gives the rules that tell in each response where it was routed, whatever the service says itself."""
        rules = [
            f"set-header {HEADER_RELEASE} {self.name}",
            f"set-header {HEADER_REVISION} %[var(txn.trimtab_revision,{_UNSTAMPED})]",
            f"del-header {HEADER_VARIANT}",
            *(
                f"set-header {HEADER_VARIANT} {variant.name} if {{ srv_name,field(1,.) -m str {variant.at_proxy} }}"
                for variant in self.release.spec.variants
            ),
            f"set-header {HEADER_SEGMENT} {segment}" if segment else f"del-header {HEADER_SEGMENT}",
        ]
        return [f"http-after-response {rule}" for rule in rules]

    def _followers(self, target: str) -> list[str]:
        """Gives the servers of one target, for a backend of their own."""
        servers = {server: at for server, at in self._servers().items() if target_of(server) == target}
        return [f"server {server} {at} track {self.name}/{server}" for server, at in servers.items()]

    def _servers(self) -> Mapping[str, str]:
        targets = {variant.at_proxy for variant in self.release.spec.variants}
        return {server: at for server, at in self.settings.servers.items() if target_of(server) in targets}

    def _segment_backend(self, segment: Segment) -> str:
        return segment_backend(self.name, segment.name, self.overall, segment.condition or "")

    @property
    def _baseline(self) -> str:
        spec = self.release.spec
        return next(variant.at_proxy for variant in spec.variants if variant.name == spec.baseline)

    def _variable(self, what: str) -> str:
        return f"txn.trimtab_{self.own}_{what}"


_HEADERS: Final[Sequence[str]] = (HEADER_RELEASE, HEADER_VARIANT, HEADER_REVISION, HEADER_SEGMENT)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
