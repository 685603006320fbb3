"""Events over MQTT with mosquitto on loopback, including a broker that hangs or dies."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from ports import free_port

from edge.contract.errors import ConfigError
from edge.contract.types import Event
from edge.sinks.mqtt import Broker, mqtt_sink, parse_broker

mqtt = pytest.importorskip("paho.mqtt.client", reason="pip install 'skd-edge[mqtt]'")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mqtt://host", Broker("host", 1883, "skd-edge", None, None, False)),
        ("mqtt://u:p%40ss@host:99/home/hall", Broker("host", 99, "home/hall", "u", "p@ss", False)),
        ("mqtts://10.0.0.2/a", Broker("10.0.0.2", 8883, "a", None, None, True)),
        ("mqtt://host/my%20home/k%C3%BCche/", Broker("host", 1883, "my home/k\u00fcche", None, None, False)),
    ],
)
def test_a_broker_uri_is_parsed(uri, expected):
    assert parse_broker(uri) == expected


@pytest.mark.parametrize("uri", ["host", "http://host", "mqtt://", "mqtt://host:port", "mqtt://[", "mqtt://a..b"])
def test_an_invalid_broker_uri_is_refused(uri):
    with pytest.raises(ConfigError, match="mqtt://host"):
        parse_broker(uri)


@pytest.mark.parametrize("topic", ["a/+", "a/#", "a%23", "a?b", "a?", "a%00", "a" * 65_001, "\u00fc" * 32_501])
def test_an_invalid_topic_is_refused(topic):
    with pytest.raises(ConfigError, match="cannot be published to"):
        parse_broker(f"mqtt://host/{topic}")


@pytest.mark.parametrize("password", ["a/b", "a#b", "a?b", "12#b"])
def test_a_password_with_characters_of_a_uri_is_refused_with_their_codes(password):
    with pytest.raises(ConfigError, match=r"in a password write %2F for /, %23 for # and %3F for \?"):
        parse_broker(f"mqtt://user:{password}@host/topic")


@pytest.fixture
def mosquitto(tmp_path):
    """Yield a function that starts a broker, and its address."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("apt install mosquitto")
    port = free_port()
    running = []

    def start():
        running.append(subprocess.Popen([program, "-p", str(port)], stderr=subprocess.DEVNULL))
        wait_for(lambda: reachable(port))
        return running[-1]

    yield start, Broker("127.0.0.1", port, "test", None, None, False)
    for process in running:
        process.kill()
        process.wait()


def reachable(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, most_s=20.0):
    end = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class Listener:
    """A subscriber that keeps (topic, payload) in order."""

    def __init__(self, to):
        self.heard = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda c, u, m: self.heard.append((m.topic, m.payload.decode()))
        self.client.on_connect = lambda c, *_: c.subscribe("test/#", qos=1)
        subscribed = []
        self.client.on_subscribe = lambda *_: subscribed.append(1)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect(to.host, to.port)
        self.client.loop_start()
        wait_for(lambda: subscribed)

    def events(self):
        return [json.loads(payload)["time_s"] for topic, payload in self.heard if topic == "test/event"]

    def states(self):
        return [payload for topic, payload in self.heard if topic == "test/status"]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def running(mosquitto):
    """A broker's address, its process, and a listener."""
    start, to = mosquitto
    process, listener = start(), Listener(to)
    yield to, process, listener
    listener.close()


def event(n):
    return Event("action_started", float(n), 1, "wave", 0.9)


def test_events_and_camera_status_arrive(running):
    (to, _, listener), begin_s = running, time.time()
    with mqtt_sink(to, print) as publish:
        wait_for(lambda: listener.states() == ["online"])
        publish(event(1))
        publish(Event("source_lost", 2.0, text="gone"))
        wait_for(lambda: listener.states() == ["online", "camera_lost"])
        late = Listener(to)  # the broker retains the status
        wait_for(lambda: late.states() == ["camera_lost"])
        late.close()
        publish(Event("source_back", 3.0))
        wait_for(lambda: len(listener.events()) == 3)
    wait_for(lambda: listener.states() == ["online", "camera_lost", "online", "offline"])
    first = json.loads(next(payload for topic, payload in listener.heard if topic == "test/event"))
    assert begin_s - 0.001 < first.pop("unix_s") < time.time() + 0.001
    assert first == {"kind": "action_started", "time_s": 1.0, "track_id": 1, "label": "wave", "score": 0.9}


def test_publishing_does_not_block_while_the_broker_hangs_and_no_event_is_lost(running):
    to, process, listener = running
    with mqtt_sink(to, print) as publish:
        wait_for(lambda: listener.states() == ["online"])
        process.send_signal(signal.SIGSTOP)
        begin = time.perf_counter()
        for n in range(500):
            publish(event(n))
        assert time.perf_counter() - begin < 2.0
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: len(listener.events()) == 500)
    assert listener.events() == [float(n) for n in range(500)]


def test_a_restarted_broker_gets_every_event_and_the_status(mosquitto, monkeypatch):
    start, to = mosquitto
    process, messages, may_connect, connect = start(), [], threading.Event(), mqtt.Client.reconnect

    def wait_and_connect(client):
        # A broker that is restarted forgets its subscribers: what arrives before the listener would be missed.
        assert threading.current_thread() is threading.main_thread() or may_connect.wait(20)
        return connect(client)

    monkeypatch.setattr(mqtt.Client, "reconnect", wait_and_connect)
    may_connect.set()
    with mqtt_sink(to, messages.append) as publish:
        publish(Event("source_lost", 0.0))
        first = Listener(to)
        wait_for(lambda: first.states()[-1:] == ["camera_lost"])  # an unacknowledged "online" would be sent again
        first.close()
        may_connect.clear()
        process.kill()
        process.wait()
        for n in range(1, 50):
            publish(event(n))
        start()
        listener = Listener(to)
        may_connect.set()
        wait_for(lambda: set(listener.events()) >= {float(n) for n in range(2, 50)})
        wait_for(lambda: listener.states()[-1:] == ["camera_lost"])
        assert "online" not in listener.states()
    listener.close()


def test_an_unreachable_broker_is_logged_and_does_not_block(mosquitto):
    _, to = mosquitto
    messages = []
    begin = time.perf_counter()
    with mqtt_sink(to, messages.append) as publish:
        for n in range(100):
            publish(event(n))
        wait_for(lambda: messages)
    assert "cannot be reached" in messages[0] and time.perf_counter() - begin < 10
    assert messages[-1] == f"100 messages did not reach the MQTT broker 127.0.0.1:{to.port}"


def test_the_status_arrives_after_a_loss_in_which_more_events_came_than_are_queued(mosquitto, monkeypatch):
    start, to = mosquitto
    messages = []
    monkeypatch.setattr("edge.sinks.mqtt.MAX_QUEUED", 3)
    with mqtt_sink(to, messages.append) as publish:
        for n in range(5):
            publish(event(n))
        start()
        listener = Listener(to)
        wait_for(lambda: listener.states() == ["online"])
    wait_for(lambda: listener.states()[-1:] == ["offline"])
    listener.close()
    assert messages[-1] == f"2 messages did not reach the MQTT broker 127.0.0.1:{to.port}"


def test_each_loss_and_return_of_the_broker_is_logged_once(mosquitto, monkeypatch):
    start, to = mosquitto
    messages = []
    monkeypatch.setattr("edge.sinks.mqtt.BACKOFF_S", (0, 0))
    with mqtt_sink(to, messages.append):
        wait_for(lambda: messages)
        time.sleep(0.3)  # several retries
        reason = "cannot be reached: Connection refused; retrying in the background"
        assert messages == [f"the MQTT broker 127.0.0.1:{to.port} {reason}"]
        process = start()
        wait_for(lambda: len(messages) == 2)
        process.kill()
        process.wait()
        wait_for(lambda: len(messages) == 4)
        before_closing = list(messages)  # closing may add that messages did not arrive
    assert [text.partition(f":{to.port} ")[2].partition(";")[0] for text in before_closing] == [
        "cannot be reached: Connection refused",
        "is back",
        "is lost",
        "cannot be reached: Connection refused",
    ]


def test_a_broker_that_closes_the_connection_at_once_may_expect_tls():
    with socket.create_server(("127.0.0.1", 0)) as server:
        to, messages = Broker("127.0.0.1", server.getsockname()[1], "test", None, None, False), []
        server.settimeout(20)
        with mqtt_sink(to, messages.append):
            server.accept()[0].close()
            wait_for(lambda: messages)
    assert messages[0].endswith("closes the connection; if it expects TLS, give mqtts://")


def test_a_broker_that_never_accepts_does_not_block_the_end_of_the_run(monkeypatch):
    monkeypatch.setattr("edge.sinks.mqtt.CLOSE_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        messages, begin = [], time.monotonic()
        with mqtt_sink(
            Broker("127.0.0.1", full.getsockname()[1], "test", None, None, False), messages.append
        ) as publish:
            publish(event(1))
        assert time.monotonic() - begin < 2 and len(messages) == 1
        for one in waiting:
            one.close()


def test_a_run_that_ends_before_the_connection_is_made_still_publishes_everything(running):
    (to, _, listener), messages = running, []
    with mqtt_sink(to, messages.append) as publish:
        for n in range(20):
            publish(event(n))
    wait_for(lambda: len(listener.events()) == 20 and listener.states()[-1:] == ["offline"])
    assert messages == []


def test_the_broker_publishes_offline_when_the_process_dies(running):
    to, _, listener = running
    code = (
        "import os, time; from edge.sinks.mqtt import *; from edge.contract.types import Event\n"
        f"with mqtt_sink({to!r}, print) as publish:\n    time.sleep(1.5); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    wait_for(lambda: listener.states() == ["online", "offline"])


def test_an_event_of_a_live_source_keeps_its_wall_clock(running):
    to, _, listener = running
    with mqtt_sink(to, print) as publish:
        publish(Event("person_entered", 1.0, 1, unix_s=1.7e9))
        wait_for(listener.events)
    (payload,) = [payload for topic, payload in listener.heard if topic == "test/event"]
    assert json.loads(payload)["unix_s"] == 1.7e9
