"""gRPC, without generated code: methods by their path, messages as bytes."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import grpc

from stand_in.messages import MessageError, Person, answered, asking

REPLICA = "/personhog.replica.v1.PersonHogReplica/GetPersonByDistinctId"
SERVICE = "/personhog.service.v1.PersonHogService/GetPersonByDistinctId"
THREADS = 8
LARGEST = 4 * 1024 * 1024
SECONDS = 5.0

Method = Callable[[bytes], bytes]


class PersonsError(Exception):
    """Nobody could say who somebody is."""


class UnavailableError(Exception):
    """What a method needs does not answer; whoever asked may try again."""


class Server(grpc.GenericRpcHandler):
    """Serves methods on an address until it is told to stop."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self.methods = methods
        self.server = grpc.server(
            ThreadPoolExecutor(THREADS), handlers=(self,), options=[("grpc.max_receive_message_length", LARGEST)]
        )

    def start(self, address: str) -> int:
        """Listen; return the port. Raises RuntimeError where the address is taken."""
        port = self.server.add_insecure_port(address)
        self.server.start()
        return int(port)

    def stop(self) -> None:
        """Stop, calls under way finished within three seconds."""
        self.server.stop(3).wait()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return what answers a call; nothing for a method that is not there, which gRPC says itself."""
        found = self.methods.get(handler_call_details.method)
        return grpc.unary_unary_rpc_method_handler(_safely(found)) if found else None


def _safely(method: Method) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def run(message: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return method(message)
        except MessageError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except UnavailableError as error:
            print(f"stand-in: {error}", file=sys.stderr)
            context.abort(grpc.StatusCode.UNAVAILABLE, "a store does not answer")
        raise AssertionError("abort raises")

    return run


class Client:
    """Calls one method somewhere. A connection is made when it is needed, and again when it was lost."""

    def __init__(self, address: str, method: str, seconds: float = SECONDS) -> None:
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_reconnect_backoff_ms", 2000)])
        self.call = self.channel.unary_unary(method)
        self.seconds = seconds

    def ask(self, message: bytes) -> bytes:
        """Return the answer. Raises UnavailableError."""
        try:
            return bytes(self.call(message, timeout=self.seconds))
        except grpc.RpcError as error:
            raise UnavailableError(f"{error.code().name}") from None

    def close(self) -> None:
        """Give the connection back."""
        self.channel.close()


class Persons:
    """The persons service, as `web` asks it."""

    def __init__(self, address: str) -> None:
        self.client = Client(address, SERVICE)

    def of(self, team: int, distinct_id: str) -> Person | None:
        """Return who a distinct id of a project belongs to. Raises PersonsError."""
        try:
            return answered(self.client.ask(asking(team, distinct_id)))
        except (UnavailableError, MessageError) as error:
            raise PersonsError(str(error)) from None


def wait_for_the_end() -> None:
    """Return when SIGTERM comes."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
