"""Reads JSON documents, one a line in base64, and prints what each means: a hash of all of it, and one of its field `extra`."""

import base64
import hashlib
import json
import struct
import sys


def canonical(value):
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and not value.is_integer():
        return "f" + struct.pack(">d", value).hex()
    if isinstance(value, (int, float)):
        return "i" + str(int(value))
    if isinstance(value, str):
        return "s" + value.encode("utf-16-be", "surrogatepass").hex()
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    # Node puts keys that are numbers first, so order is no part of the meaning.
    return "{" + ",".join(sorted(canonical(key) + ":" + canonical(item) for key, item in value.items())) + "}"


def digest(value):
    return hashlib.sha256(canonical(value).encode()).hexdigest()


sys.setrecursionlimit(10_000)
# Whole numbers may be as long as they like; that Python would refuse them is beside the point here.
getattr(sys, "set_int_max_str_digits", lambda _: None)(0)
for line in sys.stdin:
    try:
        document = json.loads(base64.b64decode(line))
        extra = document.get("extra") if isinstance(document, dict) else None
        print(digest(document), digest(extra))
    except (ValueError, RecursionError):
        print("unreadable unreadable")
