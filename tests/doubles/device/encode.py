"""Any Python value by the methods that microcbor's writer and the JSON writer share."""

NULL = b"\xf6"


def encode(w, value):
    if isinstance(value, dict):
        w.map(len(value))
        for key in value:
            w.text(key.encode())
            encode(w, value[key])
    elif isinstance(value, list):
        w.array(len(value))
        for item in value:
            encode(w, item)
    elif isinstance(value, str):
        w.text(value.encode())
    elif isinstance(value, float):
        w.float(value)
    elif value is None:
        w.raw(NULL)
    else:
        (w.int if value < 0 else w.uint)(value)
    return w
