"""Events and the camera's state for an MQTT broker."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from edge.contract.errors import ConfigError, MissingDependency
from edge.contract.types import Event
from edge.sinks.json_lines import event_record

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
DEFAULT_TOPIC = "skd-edge"
QUEUED = 10_000
"""Events that wait for a broker that is away; as many as an outlet keeps."""
LEAVING_S = 2.0
"""How long the last events are given to reach the broker."""


@dataclass(frozen=True)
class Broker:
    """topic: events go to ``topic/event``, the state to ``topic/status``."""

    host: str
    port: int
    topic: str
    user: str | None
    password: str | None
    encrypted: bool


def broker(uri: str) -> Broker:
    """Of ``mqtt://user:password@host:1883/topic``, or mqtts:// for an encrypted connection."""
    parts = urlsplit(uri)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError("sinks.mqtt names no broker", hint="give mqtt://host or mqtt://user:password@host:1883/topic")
    try:
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except ValueError as error:
        raise ConfigError("sinks.mqtt has no port that can be", hint="give mqtt://host:1883") from error
    topic = parts.path.strip("/") or DEFAULT_TOPIC
    if {"+", "#", "\0"} & set(unquote(topic)) or parts.fragment or parts.query:
        raise ConfigError("sinks.mqtt has a topic that cannot be published to", hint="leave out + # and ?")
    user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
    return Broker(parts.hostname, port, topic, user, password, parts.scheme == "mqtts")


@contextmanager
def mqtt_sink(to: Broker, say: Callable[[str], None]) -> Iterator[Callable[[Event], None]]:
    """Publishes each event once it is sure to arrive (QoS 1), and keeps ``status`` at online, camera_lost or offline.

    A broker that is away is waited for in the background; nothing here ever waits for it. Raises
    MissingDependency without paho-mqtt.
    """
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise MissingDependency("paho-mqtt", needed_for="sinks.mqtt", install="pip install 'skd-edge[mqtt]'") from error
    client = Client(CallbackAPIVersion.VERSION2)
    event_topic, status_topic = f"{to.topic}/event", f"{to.topic}/status"
    state, underway = {"text": "online"}, _UnderWay()

    def send(topic: str, text: str, *, retain: bool = False) -> None:
        underway.begins()
        client.publish(topic, text, qos=1, retain=retain)

    def connected(client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            say(f"the MQTT broker {to.host}:{to.port} refuses: {reason}")
        else:
            send(status_topic, state["text"], retain=True)

    def failed(client: Any, userdata: Any) -> None:
        say(f"the MQTT broker {to.host}:{to.port} cannot be reached; trying again in the background")

    client.on_connect, client.on_connect_fail = connected, failed
    client.on_publish = lambda *_: underway.arrived()
    # Said by the broker where this process dies without a word.
    client.will_set(status_topic, "offline", qos=1, retain=True)
    client.max_queued_messages_set(QUEUED)
    client.reconnect_delay_set(min_delay=1, max_delay=30)
    if to.user is not None:
        client.username_pw_set(to.user, to.password)
    if to.encrypted:
        client.tls_set()
    client.connect_async(to.host, to.port)
    client.loop_start()

    def publish(event: Event) -> None:
        send(event_topic, json.dumps(event_record(event)))
        if event.kind in ("source_lost", "source_back"):
            state["text"] = "camera_lost" if event.kind == "source_lost" else "online"
            send(status_topic, state["text"], retain=True)

    try:
        yield publish
    finally:
        lost = underway.wait(LEAVING_S)
        if lost:
            say(f"{lost} messages did not reach the MQTT broker {to.host}:{to.port}")
        if client.is_connected():
            send(status_topic, "offline", retain=True)
            underway.wait(LEAVING_S)
        client.disconnect()
        client.loop_stop()


class _UnderWay:
    """How many messages the broker has not said it has."""

    def __init__(self) -> None:
        self._changed, self._count = threading.Condition(), 0

    def begins(self) -> None:
        with self._changed:
            self._count += 1

    def arrived(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, most_s: float) -> int:
        """Until there are none, or so long; how many there are then."""
        with self._changed:
            self._changed.wait_for(lambda: self._count <= 0, most_s)
            return self._count
