"""
A gRPC service without generated code: messages are text.

    /test.Echo/Say       unary: ``NAME: text``
    /test.Echo/Count     text is a number n: streams ``NAME 0`` … ``NAME n-1``
    /test.Echo/Chat      both ways: each message comes back as ``NAME: text``

Environment: NAME (echo), GRPC_PORT (50051).
"""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

NAME = os.environ.get("NAME", "echo")


def say(text: str, _context: grpc.ServicerContext) -> str:
    return f"{NAME}: {text}"


def count(text: str, _context: grpc.ServicerContext):
    for number in range(int(text)):
        yield f"{NAME} {number}"


def chat(texts, _context: grpc.ServicerContext):
    for text in texts:
        yield f"{NAME}: {text}"


def main() -> None:
    text = {"request_deserializer": bytes.decode, "response_serializer": str.encode}
    server = grpc.server(ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                "test.Echo",
                {
                    "Say": grpc.unary_unary_rpc_method_handler(say, **text),
                    "Count": grpc.unary_stream_rpc_method_handler(count, **text),
                    "Chat": grpc.stream_stream_rpc_method_handler(chat, **text),
                },
            )
        ]
    )
    server.add_insecure_port(f"0.0.0.0:{os.environ.get('GRPC_PORT', '50051')}")
    server.start()
    print(f"{NAME} listens", flush=True)

    end = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: end.set())
    end.wait()
    server.stop(grace=5).wait()


if __name__ == "__main__":
    main()
