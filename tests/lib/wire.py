# SPDX-License-Identifier: Apache-2.0
"""Protobuf's wire format by hand: enough to play a peer without generated code."""

import struct


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """Strings, bytes (also messages), integers, booleans and doubles; None is no field at all."""
    if value is None:
        return b""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    data = value if isinstance(value, bytes) else value.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7


def read(data):
    """{field number: [values]}; what is length-delimited stays bytes."""
    out = {}
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif kind == 5:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        else:
            n, at = read_varint(data, at)
            value, at = data[at:at + n], at + n
        out.setdefault(key >> 3, []).append(value)
    return out


def first(message, number, default=None):
    return message.get(number, [default])[0]


def record(data):
    """A RecordIO record."""
    return b"%d\n" % len(data) + data
