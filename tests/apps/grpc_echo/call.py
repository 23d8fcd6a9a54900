#!/usr/bin/python3
"""
A gRPC client inside a pod; prints one JSON object, exits 0 if ok.

    call-grpc HOST:PORT say TEXT
    call-grpc HOST:PORT count N
    call-grpc HOST:PORT chat TEXT...
"""

import json
import sys

import grpc


def main(target: str, method: str, *texts: str) -> int:
    text = {"request_serializer": str.encode, "response_deserializer": bytes.decode}
    with grpc.insecure_channel(target) as channel:
        try:
            match method:
                case "say":
                    got = [channel.unary_unary("/test.Echo/Say", **text)(texts[0], timeout=5)]
                case "count":
                    call = channel.unary_stream("/test.Echo/Count", **text)
                    got = list(call(texts[0], timeout=5))
                case _:
                    call = channel.stream_stream("/test.Echo/Chat", **text)
                    got = list(call(iter(texts), timeout=5))
        except grpc.RpcError as error:
            outcome = {"ok": False, "code": error.code().name, "detail": error.details()}
        else:
            outcome = {"ok": True, "got": got}
    print(json.dumps(outcome), flush=True)
    return 0 if outcome["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
