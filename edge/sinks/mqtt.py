"""Events and the camera's state for an MQTT broker."""

from __future__ import annotations

import json
import threading
import time
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
LONGEST_TOPIC = 65_000
"""Bytes; a message has room for 65535, and more follows."""
RETRY_S = 1, 30
"""Seconds between attempts to reach a broker that is away: at first, and at most."""
CLOSE_TIMEOUT_S = 2.0
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


def parse_broker(uri: str) -> Broker:
    """Of ``mqtt://user:password@host:1883/topic``, or mqtts:// for an encrypted connection."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        host.encode("idna")  # as the connection will, on a thread on which it would be too late
    except ValueError as error:
        raise _no_broker() from error
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise _no_broker()
    try:
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except ValueError as error:
        raise ConfigError("sinks.mqtt has no port that can be", hint="give mqtt://host:1883") from error
    topic = parts.path.strip("/") or DEFAULT_TOPIC
    if {"+", "#", "\0"} & set(unquote(topic)) or parts.fragment or parts.query or len(topic.encode()) > LONGEST_TOPIC:
        raise ConfigError("sinks.mqtt has a topic that cannot be published to", hint="leave out + # and ?")
    user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
    return Broker(host, port, topic, user, password, parts.scheme == "mqtts")


def _no_broker() -> ConfigError:
    return ConfigError("sinks.mqtt names no broker", hint="give mqtt://host or mqtt://user:password@host:1883/topic")


@contextmanager
def mqtt_sink(to: Broker, say: Callable[[str], None]) -> Iterator[Callable[[Event], None]]:
    """Publishes each event once it is sure to arrive (QoS 1), and keeps ``status`` at online, camera_lost or offline.

    An event has unix_s besides: seconds since 1970 by the machine's clock, when it was told.
    A broker that is away is waited for in the background; nothing here ever waits for it. say: told when it goes and
    when it is back. Raises MissingDependency without paho-mqtt.
    """
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise MissingDependency(
            "paho-mqtt", needed_for="sinks.mqtt", install="pip install 'skd-edge[mqtt]'", because=error
        ) from error
    publisher = _Publisher(Client(CallbackAPIVersion.VERSION2), to, say)
    try:
        yield publisher.publish
    finally:
        publisher.leave()


class _Publisher:
    """What is sent to the broker. client: of paho-mqtt, not connected yet; it connects in the background."""

    def __init__(self, client: Any, to: Broker, say: Callable[[str], None]) -> None:
        self._client, self._broker, self._say = client, to, say
        self._event_topic, self._status_topic = f"{to.topic}/event", f"{to.topic}/status"
        self._status, self._under_way = "online", _UnderWay()
        self._trouble: str | None = None
        self._left = False
        client.on_connect, client.on_connect_fail = self._connected, self._failed
        client.on_disconnect = self._disconnected
        client.on_publish = lambda *_: self._under_way.arrived()
        # Said by the broker where this process dies without a word.
        client.will_set(self._status_topic, "offline", qos=1, retain=True)
        client.max_queued_messages_set(QUEUED)
        client.reconnect_delay_set(*RETRY_S)
        if to.user is not None:
            client.username_pw_set(to.user, to.password)
        if to.encrypted:
            client.tls_set()
        client.connect_async(to.host, to.port)
        client.loop_start()

    def publish(self, event: Event) -> None:
        # A subscriber does not know when the run started, and a message may wait for the broker.
        self._send(self._event_topic, json.dumps({"unix_s": round(time.time(), 3), **event_record(event)}))
        if event.kind in ("source_lost", "source_back"):
            self._status = "camera_lost" if event.kind == "source_lost" else "online"
            self._send_status(self._status)

    def leave(self) -> None:
        """Wait a little for what is under way, and say good-bye."""
        lost = self._under_way.wait(CLOSE_TIMEOUT_S)
        self._left = True
        if lost:
            self._say(f"{lost} messages did not reach {self._name}")
        if self._client.is_connected():
            self._send_status("offline")
            if not lost:
                self._under_way.wait(CLOSE_TIMEOUT_S)
        self._client.disconnect()
        # Waits for the client's thread, and that for an attempt to connect: a minute, where nobody answers.
        ending = threading.Thread(target=self._client.loop_stop, name="mqtt ending", daemon=True)
        ending.start()
        ending.join(CLOSE_TIMEOUT_S)

    @property
    def _name(self) -> str:
        return f"the MQTT broker {self._broker.host}:{self._broker.port}"

    def _send(self, topic: str, text: str, *, retain: bool = False) -> None:
        self._under_way.begins()
        self._client.publish(topic, text, qos=1, retain=retain)

    def _send_status(self, status: str) -> None:
        self._send(self._status_topic, status, retain=True)

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._away(f"{self._name} refuses: {reason}")
            return
        if self._trouble is not None:
            self._trouble = None
            self._say(f"{self._name} is back")
        self._send_status(self._status)

    def _failed(self, client: Any, userdata: Any) -> None:
        self._away(f"{self._name} cannot be reached; trying again in the background")

    def _disconnected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._trouble is None:
            self._away(f"{self._name} is lost; trying again in the background")

    def _away(self, trouble: str) -> None:
        """Said once: it is tried twice a minute, and may be away for days."""
        if trouble != self._trouble and not self._left:
            self._trouble = trouble
            self._say(trouble)


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
