"""The rehearsal endpoint: an OpenAI-compatible server on loopback that misbehaves on demand.

    with Rehearsal.start(Script(models={"m": "12%silent;8%drip_sse;ok"})) as rehearsal:
        OpenAI(base_url=rehearsal.base_url, api_key="none")

It plays the part of somebody else's server, so it shares no code with the engine or the hosts.
"""

from runner.rehearse.behaviour import Behaviour, Mix, ScriptError
from runner.rehearse.process import Rehearsal, RehearsalError
from runner.rehearse.script import Script
from runner.rehearse.server import Leash, serve

__all__ = [
    "Behaviour",
    "Leash",
    "Mix",
    "Rehearsal",
    "RehearsalError",
    "Script",
    "ScriptError",
    "serve",
]
