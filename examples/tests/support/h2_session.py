# A server or a client on h2, the Sans-I/O library of Python: arguments SERVER|CLIENT and a port.
import socket
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
)


def serve(port):
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        peer, _ = listener.accept()
        try:
            talk(peer)
        except OSError:
            pass  # whoever only looked whether the port is open has left
        peer.close()


def talk(peer):
    machine = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    machine.initiate_connection()
    bodies, waiting = {}, {}

    def send():
        for stream in list(waiting):
            while waiting[stream]:
                room = machine.local_flow_control_window(stream)
                size = min(room, machine.max_outbound_frame_size, len(waiting[stream]))
                if size == 0:
                    break
                machine.send_data(stream, waiting[stream][:size])
                waiting[stream] = waiting[stream][size:]
            if not waiting[stream]:
                machine.send_headers(stream, [("x-done", "1")], end_stream=True)
                del waiting[stream]

    while True:
        peer.sendall(machine.data_to_send())
        octets = peer.recv(65536)
        if not octets:
            return
        for event in machine.receive_data(octets):
            if isinstance(event, RequestReceived):
                bodies[event.stream_id] = b"python says " + dict(event.headers)[":path"].encode()
            elif isinstance(event, DataReceived):
                bodies[event.stream_id] += event.data
                machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                machine.send_headers(event.stream_id, [(":status", "103")])
                machine.send_headers(event.stream_id, [(":status", "200")])
                waiting[event.stream_id] = bodies.pop(event.stream_id) + b"." * 100000
            elif isinstance(event, ConnectionTerminated):
                return
        send()


def ask(port):
    peer = socket.create_connection(("127.0.0.1", port))
    machine = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    machine.initiate_connection()

    def head(method, path):
        return [
            (":method", method),
            (":scheme", "http"),
            (":authority", "utopia.example"),
            (":path", path),
        ]

    machine.send_headers(1, head("GET", "/object/300000"), end_stream=True)
    machine.send_headers(3, head("POST", "/"))
    machine.send_data(3, b"x" * 10000, pad_length=100)
    machine.send_headers(3, [("x-sum", "1")], end_stream=True)
    machine.send_headers(5, head("GET", "/"), end_stream=True)
    seen = {1: [0, b""], 3: [0, b""], 5: [0, b""]}
    open_streams = 3
    while open_streams:
        peer.sendall(machine.data_to_send())
        octets = peer.recv(65536)
        assert octets, "the server left"
        for event in machine.receive_data(octets):
            if isinstance(event, ResponseReceived):
                seen[event.stream_id][0] = dict(event.headers)[":status"]
            elif isinstance(event, DataReceived):
                seen[event.stream_id][1] += event.data
                machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                open_streams -= 1
    machine.close_connection()
    peer.sendall(machine.data_to_send())
    print(seen[1][0], len(seen[1][1]), seen[3][0], seen[3][1].decode().strip(), seen[5][0], len(seen[5][1]))


{"SERVER": serve, "CLIENT": ask}[sys.argv[1]](int(sys.argv[2]))
