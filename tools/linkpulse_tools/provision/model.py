"""Checks the parameters of an AWS call before the call, with the service's own model.

botocore checks types, names of members and lower limits. The model also has upper limits, choices and patterns.
"""

import functools
import re

from linkpulse_tools.provision.account import library


def problems(operation: str, parameters) -> list[str]:
    """What is wrong with the parameters of an IoT operation, as a list of lines."""
    shape = _service().operation_model(operation).input_shape
    report = library("botocore.validate").ParamValidator().validate(parameters, shape).generate_report()
    return [*report.splitlines(), *_beyond(parameters, shape, "")]


@functools.cache
def _service():
    """The model. It is large, so it is loaded once."""
    return library("botocore.session").get_session().get_service_model("iot")


def _beyond(value, shape, where: str):
    """The mistakes that botocore does not find, in values of the right type."""
    limit = shape.metadata.get("max")
    if isinstance(value, dict):
        yield from _beyond_within(value, shape, where)
    elif isinstance(value, list) and shape.type_name == "list":
        if limit is not None and len(value) > limit:
            yield f"{where}: it has {len(value)} items, at most {limit} are allowed"
        for n, item in enumerate(value):
            yield from _beyond(item, shape.member, f"{where}[{n}]")
    elif isinstance(value, str) and shape.type_name == "string":
        yield from _text(value, shape, limit, where)
    elif isinstance(value, (int, float)) and limit is not None and value > limit:
        yield f"{where}: {value} is more than {limit}"


def _beyond_within(value: dict, shape, where: str):
    if shape.type_name == "structure":
        for name in (name for name in shape.members if name in value):
            yield from _beyond(value[name], shape.members[name], f"{where}.{name}")
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from _beyond(name, shape.key, where)
            yield from _beyond(item, shape.value, f"{where}.{name}")


def _text(value: str, shape, limit: int | None, where: str):
    if limit is not None and len(value) > limit:
        yield f"{where}: it has {len(value)} characters, at most {limit} are allowed"
    if shape.enum and value not in shape.enum:
        yield f"{where}: {value} is none of {', '.join(shape.enum)}"
    # The patterns are Java's. \p{Graph} is a visible ASCII character. Other classes are left to AWS.
    pattern = shape.metadata.get("pattern", "").replace(r"\p{Graph}", r"\x21-\x7e")
    if pattern and r"\p{" not in pattern and not re.fullmatch(pattern, value):
        yield f"{where}: {value} does not match {pattern}"
