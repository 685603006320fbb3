"""Publish events and the camera's status to an MQTT broker."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from edge.contract.errors import ConfigError, importing
from edge.contract.passwords import IN_A_PASSWORD
from edge.contract.types import Event
from edge.sinks.json_lines import event_record

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
DEFAULT_TOPIC = "skd-edge"
MAX_QUEUED = 10_000
"""Events queued while the broker is unreachable."""
MAX_TOPIC_BYTES = 65_000
"""MQTT allows 65535, and ``/status`` is appended."""
BACKOFF_S = 1, 30
"""First and longest delay between attempts to reconnect."""
CLOSE_TIMEOUT_S = 2.0
"""How long to wait for the last events to be acknowledged, and for each further step of the shutdown."""


@dataclass(frozen=True)
class Broker:
    """topic: events go to ``topic/event``, the camera's status to ``topic/status``."""

    host: str
    port: int
    topic: str
    user: str | None
    password: str | None
    encrypted: bool


def parse_broker(uri: str) -> Broker:
    """Parse ``mqtt://user:password@host:1883/topic``; mqtts:// encrypts. Raises ConfigError if it is malformed."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        host.encode("idna")  # raise here, not later on the client's thread
    except ValueError as error:
        raise _no_broker() from error
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise _no_broker()
    try:
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except ValueError as error:
        raise ConfigError("sinks.mqtt has an invalid port", hint=f"give mqtt://host:1883; {IN_A_PASSWORD}") from error
    topic = unquote(parts.path).strip("/") or DEFAULT_TOPIC
    if set("#?") & set(uri) or set("+#\0") & set(topic) or len(topic.encode()) > MAX_TOPIC_BYTES:
        hint = f"leave out + # and ?; {IN_A_PASSWORD}"
        raise ConfigError("sinks.mqtt has a topic that cannot be published to", hint=hint)
    user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
    return Broker(host, port, topic, user, password, parts.scheme == "mqtts")


def _no_broker() -> ConfigError:
    return ConfigError("sinks.mqtt has no broker", hint="give mqtt://host or mqtt://user:password@host:1883/topic")


def new_client() -> Any:
    """paho-mqtt's client, not connected. Raises MissingDependency without paho-mqtt."""
    with importing("paho-mqtt", needed_for="sinks.mqtt", install="pip install 'skd-edge[mqtt]'"):
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    return Client(CallbackAPIVersion.VERSION2)


@contextmanager
def mqtt_sink(to: Broker, log: Callable[[str], None]) -> Iterator[Callable[[Event], None]]:
    """Publish each event with QoS 1, and a retained status: online, camera_lost or offline.

    Every event has unix_s: its own, or for a recording the time of publishing. Connecting and reconnecting happen in
    the background; publishing never blocks. log: receives a line when the connection is lost or restored.
    Raises MissingDependency without paho-mqtt.
    """
    publisher = _Publisher(new_client(), to, log)
    try:
        yield publisher.publish
    finally:
        publisher.close()


class _Publisher:
    """client: paho-mqtt's, not connected yet."""

    def __init__(self, client: Any, to: Broker, log: Callable[[str], None]) -> None:
        self._client, self._log, self._name = client, log, f"the MQTT broker {to.host}:{to.port}"
        self._event_topic, self._status_topic = f"{to.topic}/event", f"{to.topic}/status"
        self._status = "online"
        self._acknowledged, self._in_flight, self._dropped = threading.Condition(), 0, 0
        self._connected = self._closing = False
        self._problem = ""  # the last one reported, until the connection is back
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        # Published by the broker if this process dies.
        client.will_set(self._status_topic, "offline", qos=1, retain=True)
        client.reconnect_delay_set(*BACKOFF_S)
        if to.user is not None:
            client.username_pw_set(to.user, to.password)
        if to.encrypted:
            client.tls_set()
        client.connect_async(to.host, to.port)
        client.loop_start()

    def publish(self, event: Event) -> None:
        record = event_record(event)
        record.setdefault("unix_s", round(time.time(), 3))
        self._send(self._event_topic, json.dumps(record))
        if event.kind in ("source_lost", "source_back"):
            self._status = "camera_lost" if event.kind == "source_lost" else "online"
            self._send_status(self._status)

    def close(self) -> None:
        """Wait a little for unacknowledged messages, publish "offline" and disconnect."""
        with self._acknowledged:
            self._acknowledged.wait_for(lambda: self._in_flight <= 0, CLOSE_TIMEOUT_S)
            lost = self._in_flight + self._dropped
        self._closing = True
        if lost:
            self._log(f"{lost} messages did not reach {self._name}")
        if self._client.is_connected():
            self._send_status("offline")
        self._client.disconnect()
        # loop_stop joins the client's thread, which may be connecting for up to a minute.
        stopping = threading.Thread(target=self._client.loop_stop, name="mqtt stop", daemon=True)
        stopping.start()
        stopping.join(CLOSE_TIMEOUT_S)

    def _send(self, topic: str, text: str, *, retain: bool = False) -> None:
        with self._acknowledged:
            # Never the status: after a full queue the broker would keep the "offline" of the will.
            if self._in_flight >= MAX_QUEUED and not retain:
                self._dropped += 1
                return
            self._in_flight += 1
        self._client.publish(topic, text, qos=1, retain=retain)

    def _send_status(self, status: str) -> None:
        self._send(self._status_topic, status, retain=True)

    def _on_publish(self, *_: Any) -> None:
        with self._acknowledged:
            self._in_flight -= 1
            self._acknowledged.notify_all()

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._report(f"{self._name} refuses the connection: {reason}")
            return
        if self._problem:
            self._log(f"{self._name} is back")
        self._connected, self._problem = True, ""
        self._send_status(self._status)

    def _on_connect_fail(self, client: Any, userdata: Any) -> None:
        error = sys.exc_info()[1]  # paho-mqtt calls this where it handles the error
        reason = getattr(error, "strerror", None) or error
        self._report(f"{self._name} cannot be reached: {reason}; retrying in the background")

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._connected:
            self._connected = False
            self._report(f"{self._name} is lost; retrying in the background")
        elif not self._problem:
            self._report(f"{self._name} closes the connection; if it expects TLS, give mqtts://")

    def _report(self, problem: str) -> None:
        """Log a problem once, not at every retry."""
        if problem != self._problem and not self._closing:
            self._problem = problem
            self._log(problem)
