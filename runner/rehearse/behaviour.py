"""What one call meets: the misbehaviour, its figures and the scripted agent behind it.

Pure and apart from the server, so that a test or the demo can say beforehand what a script will do
to a task. A behaviour has a text form that fits into a model name, a URL or a line of a script:

    kind[,key=value]...        silent,turn=2,times=1   500,times=2,agent=loop   ok,latency=1,p95=3
    [share%]behaviour[;...]    12%silent;8%drip_sse;ok   (shares of tasks; the last takes the rest)
"""

import math
from collections.abc import Iterable
from hashlib import blake2b
from statistics import NormalDist
from typing import Annotated, Literal, NamedTuple, Self, get_args

import msgspec

Kind = Literal[
    "ok",  # answers
    "silent",  # takes the request and sends nothing
    "headers_stall",  # response headers, then nothing
    "drip_headers",  # one more header line every interval, without end
    "drip_sse",  # SSE comments every interval (plain calls: as drip_json)
    "drip_json",  # white space of a JSON body every interval
    "stream_stall",  # some chunks (plain calls: half of the body), then nothing
    "reset",  # TCP RST; in the middle of the answer if chunks is set
    "truncate",  # the connection ends in the middle of the answer
    "close",  # accepted, then closed without a byte, at once where the choice is known by then
    "no_read",  # the request body is not read (chosen by path, header or deployment)
    "status",  # an error status with OpenAI's error body
    "garbage",  # 200 with a body that is no JSON
    "huge",  # a valid answer of size bytes, 16 KiB every interval
    "content_filter",  # 400 with Azure's code content_filter
    "filter_finish",  # 200 with finish_reason content_filter
]
Agent = Literal[
    "auto",  # competent where tools are offered, else one sentence
    "competent",  # searches once, runs the required tools in order, says it is done
    "partial",  # as competent, but leaves the last required tool out
    "linger",  # as competent, then goes on calling tools it does not need
    "loop",  # the same search for ever
    "cycle",  # two searches in alternation
    "wander",  # searches and reads about tools, never runs one
    "unclosed",  # never closes its <tool_call> tag
    "chat",  # talks, never acts
]

_ALIASES = {
    "slow": "ok,latency=3,tps=4",
    "thinking": "silent,for=20",
    "reasoning": "ok,reasoning=5",
    "rate_limit": "status,status=429,retry_after=1",
    "server_error": "status,status=500",
}
_KEYS = {
    "agent": "agent",
    "latency": "latency_s",
    "p95": "p95_s",
    "tps": "tokens_per_s",
    "reasoning": "reasoning_s",
    "turn": "turn",
    "times": "times",
    "chunks": "chunks",
    "interval": "interval_s",
    "for": "for_s",
    "status": "status",
    "retry_after": "retry_after_s",
    "size": "size_bytes",
    "eof": "eof",
}
_MOST = 1e9  # also keeps infinity and not-a-number out
_Figure = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
_P95_SIGMAS = NormalDist().inv_cdf(0.95)


class ScriptError(ValueError):
    """A behaviour, mix or script that cannot be understood; says where and what would do."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a call meets. Outside of `turn` and `times` a call is answered.

    latency_s and p95_s are the median and 95th percentile of the time to the first byte (0 = no
    spread); for_s is the length of a hang or drip, after which the call is answered (0 = for ever).
    """

    kind: Kind = "ok"
    agent: Agent = "auto"
    latency_s: _Figure = 0.02
    p95_s: _Figure = 0.0
    tokens_per_s: _Figure = 0.0  # 0 = the whole answer at once
    reasoning_s: _Figure = 0.0  # time of reasoning deltas before the content of a streamed answer
    turn: _Count = 0  # misbehave only in this turn of the conversation, from 1; 0 = in any
    times: _Count = 0  # misbehave only in the first so many calls of a task; 0 = in all
    chunks: _Count = 0  # content chunks before a stall (0 = 3), truncation (3) or reset (none)
    interval_s: Annotated[float, msgspec.Meta(ge=0.001, le=_MOST)] = 0.5
    for_s: _Figure = 0.0
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 500
    retry_after_s: _Figure | None = None  # None = no Retry-After header
    size_bytes: _Count = 16 * 1024 * 1024
    eof: bool = False  # the answer's end is the connection's end, not a length or a last chunk

    @classmethod
    def parse(cls, text: str) -> Self:
        """The behaviour that `text` (grammar above) describes; ScriptError if it describes none."""
        kind, *pairs = [part.strip() for part in text.split(",")]
        if kind.isdecimal():
            kind, pairs = "status", [f"status={kind}", *pairs]
        if kind in _ALIASES:
            kind, *preset = _ALIASES[kind].split(",")
            pairs = [*preset, *pairs]
        fields: dict[str, str] = {"kind": kind or "ok"}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals or key not in _KEYS:
                raise ScriptError(f"{pair!r} in {text!r}: expected key=value with {_any_of(_KEYS)}")
            fields[_KEYS[key]] = value
        return cls._checked(fields, text)

    @classmethod
    def _checked(cls, fields: dict[str, str], text: str) -> Self:
        if fields["kind"] not in get_args(Kind):
            known = (*get_args(Kind), *_ALIASES, "an HTTP status")
            raise ScriptError(f"{fields['kind']!r} in {text!r}: expected {_any_of(known)}")
        try:
            return msgspec.convert(fields, cls, strict=False)
        except msgspec.ValidationError as error:
            raise ScriptError(f"{text!r}: {error}") from None

    def __str__(self) -> str:
        """The shortest text that parses back to this behaviour."""
        plain = Behaviour()
        parts: list[str] = [self.kind]
        for key, field in _KEYS.items():
            value = getattr(self, field)
            if value != getattr(plain, field):
                parts.append(f"{key}={str(value).lower() if field == 'eof' else value}")
        return ",".join(parts)

    def fires(self, turn: int, fired: int) -> bool:
        """Whether a call of this `turn` misbehaves, after `fired` calls of its task have."""
        wanted_turn = self.turn in (0, turn)
        return self.kind != "ok" and wanted_turn and (self.times == 0 or fired < self.times)

    def calm(self) -> "Behaviour":
        """The same agent and pace without the misbehaviour."""
        return msgspec.structs.replace(self, kind="ok", eof=False)

    def latency_for(self, share: float) -> float:
        """The time to the first byte in seconds of a call that drew `share` (0..1, lognormal)."""
        if self.p95_s <= self.latency_s or self.latency_s == 0:
            return self.latency_s
        sigma = math.log(self.p95_s / self.latency_s) / _P95_SIGMAS
        quantile = NormalDist().inv_cdf(min(max(share, 0.001), 0.999))
        return self.latency_s * math.exp(sigma * quantile)


class Mix(NamedTuple):
    """Behaviours with their shares of tasks; a share drawn past the last one means the last."""

    parts: tuple[tuple[float, Behaviour], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The mix that `text` (grammar above) describes; ScriptError if shares do not add up."""
        parts: list[tuple[float, Behaviour]] = []
        left = 100.0
        pieces = [piece.strip() for piece in text.split(";") if piece.strip()]
        for number, piece in enumerate(pieces, 1):
            head, percent, tail = piece.partition("%")
            if not percent and number < len(pieces):
                raise ScriptError(f"{piece!r} in {text!r}: only the last behaviour has no share")
            share = _share(head, text) if percent else left
            left -= share
            parts.append((share / 100, Behaviour.parse(tail if percent else piece)))
        if left < -1e-6:
            raise ScriptError(f"{text!r}: the shares exceed 100 %")
        if left > 1e-6 and parts:
            parts.append((left / 100, parts[-1][1].calm()))
        return cls(tuple(parts) or ((1.0, Behaviour()),))

    def pick(self, share: float) -> Behaviour:
        """The behaviour of a task that drew `share` (0..1)."""
        for part, behaviour in self.parts:
            if share < part:
                return behaviour
            share -= part
        return self.parts[-1][1]


def draw(*parts: str | int) -> float:
    """A number in [0, 1) that depends on `parts` alone, not on the machine or the run."""
    text = "\x1f".join(str(part) for part in parts)
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


def _share(text: str, where: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 100:
        raise ScriptError(f"{text!r}% in {where!r}: expected a share of 0 to 100")
    return share


def _any_of(names: Iterable[str]) -> str:
    return "one of " + ", ".join(names)
